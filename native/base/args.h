// Arguments from TypeScript, checked as cheaply as is safe: a wrong type must throw, never become
// descriptor 0 or a read outside a buffer.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

// Reads a call's arguments in order. The first wrong one throws a TypeError that names function and
// argument; after that everything reads as zero and ok() is false: check it before acting.
class Args {
 public:
  Args(const Napi::CallbackInfo& info, const char* function) : info_(info), function_(function) {}

  bool ok() const { return ok_; }
  int Int(size_t index);
  int Fd(size_t index);
  bool Bool(size_t index);
  uint64_t Uint64(size_t index);  // a bigint
  std::string String(size_t index);
  Bytes Uint8Array(size_t index);
  Napi::Function Function(size_t index);
  Napi::Object Object(size_t index);
  std::vector<int> Fds(size_t index);

 private:
  void Reject(size_t index, const char* expected);

  const Napi::CallbackInfo& info_;
  const char* function_;
  bool ok_ = true;
};

// Throws "<what>: <errno text><hint>" with `code` and `errno`, and returns undefined.
Napi::Value ThrowErrno(Napi::Env env, int error, const std::string& what,
                       const std::string& hint = {});

// The name of an errno, as in "ENOENT".
std::string ErrnoName(int error);

}  // namespace sluice
