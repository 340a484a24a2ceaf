// Out of the container that started us: its end would be ours.
#pragma once

#include <string>

namespace sluice {

// The keeper's own cgroup, below the node's root.
constexpr char kKeeperCgroup[] = "sluice-keeper";

// Moves this process into the network and cgroup namespaces of the node, and in every cgroup
// hierarchy out of the container: a runtime kills what is in a container's cgroup when its first
// process ends, a kubelet what is in its pod's. `home` is the node's first process in proc, as
// /proc/1, which takes a shared pid namespace. 0 or -errno, with what was tried in *what; then this
// process is still in some of the container's cgroups, and ends with it.
int LeaveContainer(const std::string& home, std::string* what);

// Removes the cgroup; this process goes where the node's first one is. Nothing is said when that
// fails: an empty cgroup is all that stays.
void LeaveOwnCgroup(const std::string& home);

}  // namespace sluice
