// What a container sees: its own processes, its own /sys, nothing of the machine's /run.
#pragma once

namespace sluice::enter {

// New mount, IPC, UTS, cgroup and (for children) PID namespaces. False with errno.
bool UnshareContainer();

// In the first process of the new PID namespace. The step that failed, with errno, or null.
const char* MountContainer();

}  // namespace sluice::enter
