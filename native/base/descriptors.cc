// closeFd, tryLock, socketCookie, clockMonotonicNs.
#include "base/descriptors.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/args.h"

namespace sluice {
namespace {

Napi::Value CloseFd(const Napi::CallbackInfo& info) {
  Args args(info, "closeFd");
  const int fd = args.Fd(0);
  // Never repeated on EINTR: Linux has closed it by then, and the number may be somebody else's.
  if (!args.ok() || close(fd) == 0 || errno == EINTR) return info.Env().Undefined();
  return ThrowErrno(info.Env(), errno, "cannot close descriptor " + std::to_string(fd));
}

Napi::Value TryLock(const Napi::CallbackInfo& info) {
  Args args(info, "tryLock");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK || errno == EINTR) return Napi::Boolean::New(info.Env(), false);
  return ThrowErrno(info.Env(), errno, "cannot lock descriptor " + std::to_string(fd));
}

Napi::Value SocketCookie(const Napi::CallbackInfo& info) {
  Args args(info, "socketCookie");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0) {
    return Napi::BigInt::New(info.Env(), cookie);
  }
  return ThrowErrno(info.Env(), errno,
                    "cannot read the cookie of descriptor " + std::to_string(fd));
}

Napi::Value ClockMonotonicNs(const Napi::CallbackInfo& info) {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t ns =
      static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  return Napi::BigInt::New(info.Env(), ns);
}

}  // namespace

void RegisterDescriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("closeFd", Napi::Function::New(env, CloseFd, "closeFd"));
  exports.Set("tryLock", Napi::Function::New(env, TryLock, "tryLock"));
  exports.Set("socketCookie", Napi::Function::New(env, SocketCookie, "socketCookie"));
  exports.Set("clockMonotonicNs", Napi::Function::New(env, ClockMonotonicNs, "clockMonotonicNs"));
}

}  // namespace sluice
