#include "enter/container.h"

#include <sched.h>
#include <sys/mount.h>

namespace sluice::enter {

bool UnshareContainer() {
  return unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID) == 0;
}

const char* MountContainer() {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "make mounts private";
  // A fresh sysfs covers the machine's cgroup folders and bpffs, and shows this network namespace
  // alone.
  if (mount("sysfs", "/sys", "sysfs", kPlain | MS_RDONLY, nullptr) != 0) return "mount /sys";
  if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", kPlain | MS_RDONLY, nullptr) != 0) {
    return "mount /sys/fs/cgroup";
  }
  if (mount("proc", "/proc", "proc", kPlain, nullptr) != 0) return "mount /proc";
  if (mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) != 0) return "bind /proc/sys";
  constexpr unsigned long kReadOnly = MS_BIND | MS_REMOUNT | MS_RDONLY | kPlain;
  if (mount(nullptr, "/proc/sys", nullptr, kReadOnly, nullptr) != 0) {
    return "make /proc/sys read-only";
  }
  if (mount("tmpfs", "/run", "tmpfs", kPlain, "mode=755,size=16m") != 0) return "mount /run";
  return nullptr;
}

}  // namespace sluice::enter
