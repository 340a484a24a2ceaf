// Tracepoints: from category and name to a BPF link.
#pragma once

#include <string>

namespace sluice {

// A link descriptor, or -errno: -ENOENT where this kernel has no such tracepoint, or no tracefs at
// all.
int AttachTracepoint(int prog_fd, const std::string& category, const std::string& name);

}  // namespace sluice
