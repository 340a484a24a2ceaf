#include "base/poll_watch.h"

#include <memory>

#include "base/args.h"

namespace sluice {

int PollWatch::Start(Napi::Env env, int fd, std::function<void()> on_readable, PollWatch** out) {
  std::unique_ptr<PollWatch> watch(new PollWatch(env, std::move(on_readable)));
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  const int error = uv_poll_init(loop, &watch->poll_, fd);
  if (error != 0) return error;
  watch->poll_.data = watch.get();
  // A bad status stops the handle; the reader finds out why when it reads.
  uv_poll_start(&watch->poll_, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* poll, int, int) {
    auto* self = static_cast<PollWatch*>(poll->data);
    const Napi::HandleScope scope(self->env_);
    if (!self->closing_) self->on_readable_();
  });
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* data) { static_cast<PollWatch*>(data)->Close(); },
      watch.get(), &watch->hook_);
  *out = watch.release();
  return 0;
}

void PollWatch::Close() {
  if (closing_) return;
  closing_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
    auto* self = static_cast<PollWatch*>(handle->data);
    const napi_async_cleanup_hook_handle hook = self->hook_;
    {
      const Napi::HandleScope scope(self->env_);
      delete self;
    }
    napi_remove_async_cleanup_hook(hook);
  });
}

// By the C interface: a worker that is being terminated refuses every call into JavaScript, and
// node-addon-api would end the process over that.
void LoopCallback::Call(const std::initializer_list<napi_value>& arguments) {
  napi_value global = nullptr;
  if (napi_get_global(env_, &global) != napi_ok) return;
  const napi_status status = napi_make_callback(env_, context_, global, function_.Value(),
                                                arguments.size(), arguments.begin(), nullptr);
  napi_value thrown = nullptr;
  if (status == napi_pending_exception &&
      napi_get_and_clear_last_exception(env_, &thrown) == napi_ok) {
    napi_fatal_exception(env_, thrown);
  }
}

Napi::Object WatchHandle(Napi::Env env, PollWatch* watch) {
  Napi::Object object = Napi::Object::New(env);
  auto open = std::make_shared<PollWatch*>(watch);
  object.Set("close", Napi::Function::New(env, [open](const Napi::CallbackInfo&) {
               if (*open != nullptr) (*open)->Close();
               *open = nullptr;
             }));
  return object;
}

static Napi::Value Watch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "fdWatch");
  const int fd = args.Fd(0);
  const Napi::Function on_readable = args.Function(1);
  if (!args.ok()) return env.Undefined();
  auto callback = std::make_shared<LoopCallback>(env, on_readable, "sluice:watch");
  PollWatch* watch = nullptr;
  const int error = PollWatch::Start(env, fd, [callback] { callback->Call({}); }, &watch);
  if (error != 0) return ThrowErrno(env, -error, "cannot watch descriptor " + std::to_string(fd));
  return WatchHandle(env, watch);
}

void RegisterWatch(Napi::Env env, Napi::Object exports) {
  exports.Set("fdWatch", Napi::Function::New(env, Watch, "fdWatch"));
}

}  // namespace sluice
