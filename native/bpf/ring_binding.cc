// bpfRingConsumer: a BPF ring buffer that the event loop reads.
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/args.h"
#include "base/poll_watch.h"
#include "bpf/register.h"

namespace sluice {
namespace {

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

struct Ring {
  Ring(Napi::Env env, Napi::Function on_record) : callback(env, on_record, "sluice:ring") {}
  LoopCallback callback;
  std::unique_ptr<ring_buffer, FreeRing> buffer;
  PollWatch* watch = nullptr;  // owns this
};

int OnRecord(void* data, void* record, size_t size) {
  Ring& ring = *static_cast<Ring*>(data);
  if (ring.watch->closing()) return -ECANCELED;  // closed by the callback of the record before
  LoopCallback& callback = ring.callback;
  const Napi::HandleScope scope(callback.env());
  Napi::Uint8Array copy = Napi::Uint8Array::New(callback.env(), size);
  memcpy(copy.Data(), record, size);
  callback.Call({copy});
  return 0;
}

Napi::Value Consume(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfRingConsumer");
  const int fd = args.Fd(0);
  const Napi::Function on_record = args.Function(1);
  if (!args.ok()) return env.Undefined();
  auto ring = std::make_shared<Ring>(env, on_record);
  ring->buffer.reset(ring_buffer__new(fd, OnRecord, ring.get(), nullptr));
  const std::string what = "cannot read ring buffer descriptor " + std::to_string(fd);
  if (ring->buffer == nullptr) return ThrowErrno(env, errno, what);
  const int error = PollWatch::Start(
      env, ring_buffer__epoll_fd(ring->buffer.get()),
      [ring] { ring_buffer__consume(ring->buffer.get()); }, &ring->watch);
  if (error != 0) return ThrowErrno(env, -error, what);
  return WatchHandle(env, ring->watch);
}

}  // namespace

void RegisterBpfRing(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfRingConsumer", Napi::Function::New(env, Consume, "bpfRingConsumer"));
}

}  // namespace sluice
