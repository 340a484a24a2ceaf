// bpfRingConsumer: a BPF ring buffer that the event loop reads.
#include <bpf/libbpf.h>
#include <uv.h>

#include <cerrno>
#include <memory>

#include "base/args.h"
#include "bpf/register.h"

namespace sluice {
namespace {

// Lives until libuv has let go of its handle: after close(), or when the environment ends.
class RingConsumer {
 public:
  // 0 or -errno. On success the consumer owns itself.
  static int Start(Napi::Env env, int map_fd, Napi::Function on_record, RingConsumer** out) {
    auto consumer = std::unique_ptr<RingConsumer>(new RingConsumer(env, on_record));
    consumer->ring_.reset(ring_buffer__new(map_fd, OnRecord, consumer.get(), nullptr));
    if (consumer->ring_ == nullptr) return -errno;
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    const int error = uv_poll_init(loop, &consumer->poll_, ring_buffer__epoll_fd(consumer->ring_.get()));
    if (error != 0) return error;
    consumer->poll_.data = consumer.get();
    uv_poll_start(&consumer->poll_, UV_READABLE, OnReadable);
    napi_add_async_cleanup_hook(env, AtExit, consumer.get(), &consumer->hook_);
    *out = consumer.release();
    return 0;
  }

  void Close() {
    if (closing_) return;
    closing_ = true;
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
  }

 private:
  struct FreeRing {
    void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
  };

  RingConsumer(Napi::Env env, Napi::Function on_record)
      : env_(env), context_(env, "sluice:ring"), on_record_(Napi::Persistent(on_record)) {}

  static void OnReadable(uv_poll_t* poll, int, int) {
    auto* self = static_cast<RingConsumer*>(poll->data);
    Napi::HandleScope scope(self->env_);
    ring_buffer__consume(self->ring_.get());
  }

  static int OnRecord(void* data, void* record, size_t size) {
    auto* self = static_cast<RingConsumer*>(data);
    if (self->closing_) return 0;
    Napi::HandleScope scope(self->env_);
    Napi::Uint8Array copy = Napi::Uint8Array::New(self->env_, size);
    memcpy(copy.Data(), record, size);
    self->on_record_.MakeCallback(Napi::Env(self->env_).Global(), {copy}, self->context_);
    // Nobody is above us to catch it: the same as an exception in any other callback of the loop.
    if (Napi::Env(self->env_).IsExceptionPending()) {
      const Napi::Error error = Napi::Env(self->env_).GetAndClearPendingException();
      napi_fatal_exception(self->env_, error.Value());
    }
    return 0;
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* self = static_cast<RingConsumer*>(handle->data);
    const napi_async_cleanup_hook_handle hook = self->hook_;
    {
      Napi::HandleScope scope(self->env_);
      delete self;
    }
    napi_remove_async_cleanup_hook(hook);
  }

  static void AtExit(napi_async_cleanup_hook_handle, void* data) {
    static_cast<RingConsumer*>(data)->Close();
  }

  napi_env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference on_record_;
  std::unique_ptr<ring_buffer, FreeRing> ring_;
  uv_poll_t poll_ = {};
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closing_ = false;
};

Napi::Value Consume(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfRingConsumer");
  const int fd = args.Fd(0);
  const Napi::Function on_record = args.Function(1);
  if (!args.ok()) return env.Undefined();
  RingConsumer* consumer = nullptr;
  const int error = RingConsumer::Start(env, fd, on_record, &consumer);
  if (error != 0) {
    return ThrowErrno(env, -error, "cannot read ring buffer descriptor " + std::to_string(fd));
  }
  Napi::Object object = Napi::Object::New(env);
  auto open = std::make_shared<RingConsumer*>(consumer);
  object.Set("close", Napi::Function::New(env, [open](const Napi::CallbackInfo&) {
    if (*open != nullptr) (*open)->Close();
    *open = nullptr;
  }));
  return object;
}

}  // namespace

void RegisterBpfRing(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfRingConsumer", Napi::Function::New(env, Consume, "bpfRingConsumer"));
}

}  // namespace sluice
