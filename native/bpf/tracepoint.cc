#include "bpf/tracepoint.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/unique_fd.h"

namespace sluice {
namespace {

// A tracefs of our own that is mounted nowhere: containers and minimal hosts do not mount it, and
// mounting it for everybody is not this function's business.
UniqueFd OpenDetachedTracefs() {
  UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC)));
  if (!context.valid()) return UniqueFd();
  if (syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return UniqueFd();
  }
  return UniqueFd(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

UniqueFd OpenTracefs() {
  for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    UniqueFd directory(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    // The directory also exists where nothing is mounted on it.
    if (directory.valid() && faccessat(directory.get(), "events", F_OK, 0) == 0) return directory;
  }
  return OpenDetachedTracefs();
}

// The tracepoint's number for perf_event_open(2), or -errno.
long TracepointId(const std::string& category, const std::string& name) {
  const UniqueFd tracefs = OpenTracefs();
  if (!tracefs.valid()) return -errno;
  const std::string path = "events/" + category + "/" + name + "/id";
  const UniqueFd file(openat(tracefs.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return -errno;
  char text[32] = {};
  if (read(file.get(), text, sizeof(text) - 1) <= 0) return -EIO;
  return strtol(text, nullptr, 10);
}

}  // namespace

int AttachTracepoint(int prog_fd, const std::string& category, const std::string& name) {
  const long id = TracepointId(category, name);
  if (id < 0) return static_cast<int>(id);
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.size = sizeof(attributes);
  attributes.config = static_cast<uint64_t>(id);
  // One CPU is named, but programs of a tracepoint run on all: they hang on the tracepoint, not the
  // event.
  const UniqueFd event(
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event.valid()) return -errno;
  const int link = bpf_link_create(prog_fd, event.get(), BPF_PERF_EVENT, nullptr);
  if (link < 0) return -errno;
  if (ioctl(event.get(), PERF_EVENT_IOC_ENABLE, 0) != 0) {
    const int error = errno;
    close(link);
    return -error;
  }
  return link;  // it holds the perf event
}

}  // namespace sluice
