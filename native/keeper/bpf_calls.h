// The few bpf(2) calls that the keeper makes itself: it links no library for them.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "base/unique_fd.h"

namespace sluice {

inline long Bpf(int command, bpf_attr* attributes) {
  return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

// 0 or -errno.
inline int OpenPinned(const std::string& path, UniqueFd* out) {
  bpf_attr attributes = {};
  attributes.pathname = reinterpret_cast<uint64_t>(path.c_str());
  out->reset(static_cast<int>(Bpf(BPF_OBJ_GET, &attributes)));
  return out->valid() ? 0 : -errno;
}

}  // namespace sluice
