#include "enter/options.h"

#include <algorithm>
#include <charconv>

#include "enter/capabilities.h"

namespace sluice::enter {

const std::string_view kUsage =
    "usage: sluice-enter [options] -- COMMAND [ARGUMENT...]\n"
    "       sluice-enter [options] --pause\n"
    "  --cgroup FOLDER     join this cgroup v2 folder first\n"
    "  --netns FILE        enter this network namespace\n"
    "  --sysctl KEY=VALUE  set net.* of that namespace (repeat)\n"
    "  --die-with-parent   SIGKILL when the parent dies\n"
    "  --container         namespaces, mounts and capabilities as a container has them\n"
    "  --cap NAME          with --container: keep this one too, for example NET_ADMIN (repeat)\n"
    "  --user ID           change to this user and group\n"
    "  --pause             run nothing: print 'ready' and keep cgroup and namespace alive\n";

namespace {

// Sysctl keys are written with dots; interface names with dots are not needed here.
std::optional<Sysctl> ParseSysctl(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || !text.starts_with("net.")) return std::nullopt;
  Sysctl result{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  std::replace(result.path.begin(), result.path.end(), '.', '/');
  return result;
}

std::optional<uid_t> ParseId(std::string_view text) {
  uid_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

bool ParseFlag(std::string_view name, Options* options) {
  if (name == "--die-with-parent") return options->die_with_parent = true;
  if (name == "--container") return options->container = true;
  if (name == "--pause") return options->pause = true;
  return false;
}

bool ParseValue(std::string_view name, std::string_view value, Options* options) {
  if (name == "--cgroup") {
    options->cgroup = value;
    return true;
  }
  if (name == "--netns") {
    options->netns = value;
    return true;
  }
  if (name == "--sysctl") {
    std::optional<Sysctl> sysctl = ParseSysctl(value);
    if (sysctl) options->sysctls.push_back(*std::move(sysctl));
    return sysctl.has_value();
  }
  if (name == "--cap") {
    const std::optional<int> capability = CapabilityNamed(value);
    if (capability) options->added_capabilities.push_back(*capability);
    return capability.has_value();
  }
  if (name == "--user") options->user = ParseId(value);
  return options->user.has_value();
}

}  // namespace

std::optional<std::string> Parse(int argc, char** argv, Options* options) {
  int at = 1;
  for (; at < argc && std::string_view(argv[at]) != "--"; ++at) {
    const std::string_view name = argv[at];
    if (ParseFlag(name, options)) continue;
    if (at + 1 >= argc) return "unknown or incomplete option " + std::string(name);
    const std::string_view value = argv[++at];
    if (!ParseValue(name, value, options)) {
      return "cannot use " + std::string(name) + " " + std::string(value);
    }
  }
  if (at + 1 < argc) options->command = argv + at + 1;
  if (options->pause == (options->command != nullptr)) return "give either a command or --pause";
  return std::nullopt;
}

}  // namespace sluice::enter
