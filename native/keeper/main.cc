// sluice-keeper: holds the listeners of enrolled pods and the legs of spliced connections over
// restarts of the proxy. Started by the proxy (src/nodeproxy/keeper/start.ts), and outlives it.
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "keeper/keeper.h"
#include "keeper/leave.h"
#include "keeper/log.h"
#include "keeper/removal.h"
#include "keeper/takeover.h"

namespace sluice {
namespace {

struct Options {
  KeeperOptions keeper;
  std::string generations;
  std::string pair_control;
  std::string query_queue;
  std::string home;
  Traces traces;
  bool replace = false;
};

constexpr char kUsage[] =
    "usage: sluice-keeper --socket PATH [--generations PIN] [--pair-control PIN] [--query-queue "
    "PIN]\n"
    "                     [--pair-limit-bytes N] [--give-up-after-ms N] [--replace] [--home PROC]\n"
    "                     [--remove-after-ms N --pins DIR --state DIR --takeover PATH]\n"
    "  --socket            where proxies find it (made with mode 0600)\n"
    "  --generations       pinned map of the proxies' beats; without it no proxy counts as alive\n"
    "  --pair-control      pinned map of the pairs' switches\n"
    "  --query-queue       pinned program that tells what a socket holds unread\n"
    "  --pair-limit-bytes  what a receiver may hold before an adopted connection waits (4194304)\n"
    "  --give-up-after-ms  without a beat for so long, waiting connections are reset (2000)\n"
    "  --replace           take over from a keeper of the same version too\n"
    "  --home              leave this container for the namespaces of that process, as /proc/1\n"
    "  --remove-after-ms   without a proxy for so long, what the next three name is removed; 0: "
    "never (0)\n"
    "  --pins              the node's pinned objects\n"
    "  --state             the proxy's files\n"
    "  --takeover          the proxy's socket for a successor\n";

bool ParseNumber(const char* text, uint64_t* out) {
  char* end = nullptr;
  errno = 0;
  *out = strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == '\0';
}

bool ParseOptions(int argc, char** argv, Options* options) {
  const option known[] = {{"socket", required_argument, nullptr, 's'},
                          {"generations", required_argument, nullptr, 'g'},
                          {"pair-control", required_argument, nullptr, 'p'},
                          {"query-queue", required_argument, nullptr, 'q'},
                          {"pair-limit-bytes", required_argument, nullptr, 'l'},
                          {"give-up-after-ms", required_argument, nullptr, 'a'},
                          {"replace", no_argument, nullptr, 'r'},
                          {"home", required_argument, nullptr, 'h'},
                          {"remove-after-ms", required_argument, nullptr, 'm'},
                          {"pins", required_argument, nullptr, 'n'},
                          {"state", required_argument, nullptr, 't'},
                          {"takeover", required_argument, nullptr, 'o'},
                          {}};
  bool right = true;
  for (int c; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (c) {
      case 's': options->keeper.socket_path = optarg; break;
      case 'g': options->generations = optarg; break;
      case 'p': options->pair_control = optarg; break;
      case 'q': options->query_queue = optarg; break;
      case 'l': right = right && ParseNumber(optarg, &options->keeper.pair_limit_bytes); break;
      case 'a': right = right && ParseNumber(optarg, &options->keeper.give_up_after_ms); break;
      case 'r': options->replace = true; break;
      case 'h': options->home = optarg; break;
      case 'm': right = right && ParseNumber(optarg, &options->keeper.remove_after_ms); break;
      case 'n': options->traces.pins = optarg; break;
      case 't': options->traces.state = optarg; break;
      case 'o': options->traces.takeover = optarg; break;
      default: right = false;
    }
  }
  return right && optind == argc && !options->keeper.socket_path.empty();
}

// Two that start at once: one serves, the other finds it serving. The lock is the directory's, so
// that no file stays behind; released with the descriptor.
UniqueFd LockStart(const std::string& socket_path, int flags) {
  const size_t slash = socket_path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : socket_path.substr(0, slash + 1);
  UniqueFd lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.valid() && flock(lock.get(), LOCK_EX | flags) != 0) lock.reset();
  return lock;
}

void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// SIGTERM and SIGINT end the loop; the proxy's end of a log or terminal is no reason to end.
UniqueFd TakeSignals() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_SETMASK, &ends, nullptr);
  return UniqueFd(signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC));
}

// Gets the path, from nobody or from an older keeper. False: *status is the exit status.
bool Begin(const Options& options, Keeper& keeper, int* status) {
  const UniqueFd lock = LockStart(options.keeper.socket_path, 0);
  *status = 1;
  if (!lock.valid()) {
    LogError("cannot lock the start", options.keeper.socket_path, errno);
    return false;
  }
  int error = 0;
  switch (TakeOver(options.keeper.socket_path, options.replace, keeper, &error)) {
    case TakeoverOutcome::kFailed:
      LogError("cannot take over from the keeper that serves; it goes on",
               options.keeper.socket_path, error);
      return false;
    case TakeoverOutcome::kServed: *status = 0; return false;
    case TakeoverOutcome::kTaken:
    case TakeoverOutcome::kNobody: break;
  }
  const int serving = keeper.Serve();
  if (serving == 0) return true;
  LogError("cannot listen; does the directory exist?", options.keeper.socket_path, -serving);
  return false;
}

void Leave(const Options& options) {
  if (options.home.empty()) return;
  std::string what;
  const int error = LeaveContainer(options.home, &what);
  if (error == 0) return;
  LogError("cannot leave the container, and ends with it; is hostPID missing?", what, -error);
}

// True when no proxy has come for so long that Sluice was taken off the node; it is time to end.
bool RemovedAll(const Options& options, Keeper& keeper) {
  if (options.traces.pins.empty() || !keeper.Abandoned(0)) return false;
  const UniqueFd lock = LockStart(options.keeper.socket_path, LOCK_NB);
  if (!lock.valid()) return false;
  const auto still = [&] { return keeper.Abandoned(LastClaimNs(options.traces)); };
  if (!RemovePins(options.traces, still)) return false;
  RemoveFiles(options.traces, options.keeper.socket_path);
  if (!options.home.empty()) LeaveOwnCgroup(options.home);
  Log("no proxy came back: everything is removed from this node");
  return true;
}

int Run(Options options) {
  if (!options.home.empty()) options.traces.root = options.home + "/root";
  Leave(options);
  KernelMaps maps;
  std::string what;
  const int opened =
      maps.Open(options.generations, options.pair_control, options.query_queue, &what);
  if (opened != 0) {
    LogError("cannot open pinned object", what, -opened);
    return 1;
  }
  const UniqueFd signals = TakeSignals();
  RaiseDescriptorLimit();
  Keeper keeper(options.keeper, maps);
  if (!keeper.Open()) {
    LogError("cannot wait for events", "epoll", errno);
    return 1;
  }
  bool ending = false;
  keeper.loop().Add(signals.get(), EPOLLIN, [&](uint32_t) { ending = true; });
  int status = 0;
  if (!Begin(options, keeper, &status)) return status;
  Log("keeping", {{"pods", static_cast<long long>(keeper.pods().all().size())},
                  {"pairs", static_cast<long long>(keeper.pairs().all().size())}});
  bool removed = false;
  while (!ending && !keeper.handed_over() && !removed) {
    keeper.RunOnce();
    removed = RemovedAll(options, keeper);
  }
  if (removed) return 0;
  if (ending && !options.home.empty()) LeaveOwnCgroup(options.home);
  Log(ending ? "ends by signal" : "handed over");
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::Options options;
  if (!sluice::ParseOptions(argc, argv, &options)) {
    fputs(sluice::kUsage, stderr);
    return 2;
  }
  return sluice::Run(std::move(options));
}
