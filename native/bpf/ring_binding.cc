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

// A producer that is as fast as we are must not keep the event loop from everything else.
constexpr int kRecordsPerTurn = 256;

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

struct Ring {
  Ring(Napi::Env env, Napi::Function on_record) : callback(env, on_record, "sluice:ring") {}
  LoopCallback callback;
  std::unique_ptr<ring_buffer, FreeRing> buffer;
  PollWatch* watch = nullptr;  // owns this
  int left_this_turn = 0;
};

int OnRecord(void* data, void* record, size_t size) {
  Ring& ring = *static_cast<Ring*>(data);
  if (ring.watch->closing()) return -ECANCELED;  // closed by the callback of the record before
  const napi_env env = ring.callback.env();
  const Napi::HandleScope scope(env);
  // By the C interface: a worker that is being terminated makes no arrays any more.
  void* memory = nullptr;
  napi_value buffer = nullptr;
  napi_value copy = nullptr;
  if (napi_create_arraybuffer(env, size, &memory, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &copy) != napi_ok) {
    return -ECANCELED;
  }
  memcpy(memory, record, size);
  ring.callback.Call({copy});
  // A negative number ends the turn; the record counts as consumed.
  return --ring.left_this_turn > 0 ? 0 : -EAGAIN;
}

void Turn(Ring& ring) {
  ring.left_this_turn = kRecordsPerTurn;
  ring_buffer__consume(ring.buffer.get());
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
      env, ring_buffer__epoll_fd(ring->buffer.get()), [ring] { Turn(*ring); }, &ring->watch);
  if (error != 0) return ThrowErrno(env, -error, what);
  return WatchHandle(env, ring->watch);
}

}  // namespace

void RegisterBpfRing(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfRingConsumer", Napi::Function::New(env, Consume, "bpfRingConsumer"));
}

}  // namespace sluice
