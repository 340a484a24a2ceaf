#include "keeper/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice {

// Only what is still ours: a newer keeper may have taken the path.
UnixListener::~UnixListener() {
  struct stat now = {};
  if (fd_.valid() && stat(path_.c_str(), &now) == 0 && now.st_dev == device_ &&
      now.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

int UnixListener::Listen(const std::string& path) {
  const std::string temporary = path + "." + std::to_string(getpid());
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (temporary.size() >= sizeof(address.sun_path)) return -ENAMETOOLONG;
  memcpy(address.sun_path, temporary.c_str(), temporary.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  unlink(temporary.c_str());
  // The mode is there from the first moment.
  const mode_t before = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(before);
  if (bound != 0) return -error;
  struct stat now = {};
  if (listen(fd.get(), 64) != 0 || stat(temporary.c_str(), &now) != 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    const int failed = errno;
    unlink(temporary.c_str());
    return -failed;
  }
  path_ = path;
  device_ = now.st_dev;
  inode_ = now.st_ino;
  fd_ = std::move(fd);
  return 0;
}

int UnixListener::Accept() {
  UniqueFd peer(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!peer.valid()) return -errno;
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -errno;
  // The file's mode says the same; a mode can be changed, and directories be mounted elsewhere.
  if (credentials.uid != 0 && credentials.uid != geteuid()) return -EPERM;
  return peer.release();
}

}  // namespace sluice
