// Descriptors watched by Node's own event loop.
#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>

namespace sluice {

// Calls back on the loop's thread while a descriptor is readable, hung up or in error. Owns itself:
// it goes, with all that the callback captured, once libuv has let go of the handle, after Close()
// or at the end of the environment. The descriptor stays the caller's and is closed after Close(),
// never before.
class PollWatch {
 public:
  // 0 or -errno.
  static int Start(Napi::Env env, int fd, std::function<void()> on_readable, PollWatch** out);

  // No call comes after it. Once only.
  void Close();
  bool closing() const { return closing_; }

 private:
  PollWatch(napi_env env, std::function<void()> on_readable)
      : env_(env), on_readable_(std::move(on_readable)) {}

  napi_env env_;
  std::function<void()> on_readable_;
  uv_poll_t poll_ = {};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
};

// A JavaScript function that the loop calls: `this` is the global object, and what it throws is an
// uncaught exception, because nobody is above it.
class LoopCallback {
 public:
  LoopCallback(Napi::Env env, Napi::Function function, const char* resource)
      : env_(env), context_(env, resource), function_(Napi::Persistent(function)) {}

  void Call(const std::initializer_list<napi_value>& arguments);
  Napi::Env env() const { return env_; }

 private:
  napi_env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference function_;
};

// The JavaScript object { close() } of a watch.
Napi::Object WatchHandle(Napi::Env env, PollWatch* watch);

void RegisterWatch(Napi::Env env, Napi::Object exports);  // fdWatch

}  // namespace sluice
