// The keeper's socket in the file system.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/unique_fd.h"

namespace sluice {

class UnixListener {
 public:
  ~UnixListener();

  // Listens under another name with mode 0600 and then takes the path in one rename: whoever
  // connects meets the old keeper or this one, never nobody. 0 or -errno.
  int Listen(const std::string& path);

  // A connected peer of our own user (or root), non-blocking; -EAGAIN, -EPERM for another user, or
  // -errno.
  int Accept();
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice
