#include "keeper/leave.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "base/unique_fd.h"

namespace sluice {
namespace {

// A line of /proc/PID/cgroup.
struct Membership {
  std::string controllers;  // empty: version 2
  std::string path;
};

struct CgroupMount {
  std::string point;
  std::string root;
  std::string type;
  std::string options;
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<Membership> ReadMemberships(const std::string& path) {
  std::vector<Membership> memberships;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    memberships.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return memberships;
}

// Lines of mountinfo: "36 35 0:30 ROOT POINT OPTIONS... - TYPE SOURCE SUPER_OPTIONS".
std::vector<CgroupMount> ReadCgroupMounts(const std::string& path) {
  std::vector<CgroupMount> mounts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> before = Split(line.substr(0, dash), ' ');
    const std::vector<std::string> after = Split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3 || after[0].rfind("cgroup", 0) != 0) continue;
    mounts.push_back({before[4], before[3], after[0], after[2]});
  }
  return mounts;
}

bool Carries(const CgroupMount& mount, const Membership& membership) {
  if (mount.root != "/") return false;
  if (membership.controllers.empty()) return mount.type == "cgroup2";
  const std::vector<std::string> options = Split(mount.options, ',');
  const std::vector<std::string> wanted = Split(membership.controllers, ',');
  return mount.type == "cgroup" && std::ranges::all_of(wanted, [&](const std::string& one) {
           return std::ranges::find(options, one) != options.end();
         });
}

// Where that hierarchy begins for the node, by a path that leads there from any mount namespace.
std::optional<std::string> RootOf(const std::string& home, const Membership& membership) {
  for (const CgroupMount& mount : ReadCgroupMounts(home + "/mountinfo")) {
    if (Carries(mount, membership)) return home + "/root" + mount.point;
  }
  return std::nullopt;
}

int Enter(const std::string& path, int type) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() && setns(fd.get(), type) == 0 ? 0 : -errno;
}

int MoveInto(const std::string& cgroup) {
  const UniqueFd fd(open((cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  return fd.valid() && write(fd.get(), "0", 1) == 1 ? 0 : -errno;
}

// Version 1 lets any process be at the root. With version 2, a root that is not the machine's may
// hold none.
int LeaveHierarchy(const std::string& home, const Membership& membership, std::string* what) {
  const std::optional<std::string> root = RootOf(home, membership);
  // Mounted nowhere on the node: no runtime finds us there either.
  if (!root.has_value()) return membership.controllers.empty() ? -ENOENT : 0;
  if (!membership.controllers.empty()) {
    *what = *root;
    return MoveInto(*root);
  }
  *what = *root + "/" + kKeeperCgroup;
  if (mkdir(what->c_str(), 0755) != 0 && errno != EEXIST) return -errno;
  return MoveInto(*what);
}

}  // namespace

int LeaveContainer(const std::string& home, std::string* what) {
  *what = home + "/ns/net";
  int error = Enter(*what, CLONE_NEWNET);
  if (error != 0) return error;
  // First: paths of cgroups are seen from here, and systemd's mounts refuse moves out of it.
  *what = home + "/ns/cgroup";
  error = Enter(*what, CLONE_NEWCGROUP);
  if (error != 0) return error;
  *what = "the cgroup2 mount of " + home;
  for (const Membership& membership : ReadMemberships("/proc/self/cgroup")) {
    error = LeaveHierarchy(home, membership, what);
    if (error != 0) return error;
  }
  return 0;
}

void LeaveOwnCgroup(const std::string& home) {
  for (const Membership& first : ReadMemberships(home + "/cgroup")) {
    if (!first.controllers.empty()) continue;
    const std::optional<std::string> root = RootOf(home, first);
    if (!root.has_value() || MoveInto(*root + first.path) != 0) return;
    rmdir((*root + "/" + kKeeperCgroup).c_str());
  }
}

}  // namespace sluice
