#include "enter/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace sluice::enter {
namespace {

// containerd's default for pods (pkg/oci: defaultUnixCaps).
constexpr std::array kContainerDefault = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE,     CAP_FSETID,     CAP_FOWNER, CAP_MKNOD,
    CAP_NET_RAW, CAP_SETGID,           CAP_SETUID,     CAP_SETFCAP, CAP_SETPCAP,
    CAP_KILL,    CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_AUDIT_WRITE,
};

constexpr std::array<std::pair<std::string_view, int>, 6> kNamed = {{
    {"NET_ADMIN", CAP_NET_ADMIN},
    {"NET_RAW", CAP_NET_RAW},
    {"SYS_ADMIN", CAP_SYS_ADMIN},
    {"SYS_PTRACE", CAP_SYS_PTRACE},
    {"BPF", CAP_BPF},
    {"IPC_LOCK", CAP_IPC_LOCK},
}};

bool Contains(const auto& list, int capability) {
  return std::find(list.begin(), list.end(), capability) != list.end();
}

}  // namespace

std::optional<int> CapabilityNamed(std::string_view name) {
  for (const auto& [known, capability] : kNamed) {
    if (known == name) return capability;
  }
  return std::nullopt;
}

bool KeepContainerCapabilities(const std::vector<int>& added) {
  // The kernel may know more capabilities than our headers: EINVAL marks the end.
  for (int capability = 0;; ++capability) {
    if (Contains(kContainerDefault, capability) || Contains(added, capability)) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL;
  }
}

}  // namespace sluice::enter
