// heartbeatStart.
#include <cerrno>

#include "abi.h"
#include "base/args.h"
#include "base/env_owned.h"
#include "heartbeat/heartbeat.h"
#include "heartbeat/register.h"

namespace sluice {
namespace {

Napi::Value Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "heartbeatStart");
  const int fd = args.Fd(0);
  const int generation = args.Int(1);
  const int period_ms = args.Int(2);
  if (!args.ok()) return env.Undefined();
  if (generation < 0 || generation >= SLUICE_GENERATIONS || period_ms <= 0) {
    return ThrowErrno(env, EINVAL,
                      "cannot start the heartbeat of generation " + std::to_string(generation) +
                          " every " + std::to_string(period_ms) + " ms");
  }
  int error = 0;
  auto heartbeat = Heartbeat::Start(fd, static_cast<unsigned>(generation),
                                    std::chrono::milliseconds(period_ms), &error);
  if (heartbeat == nullptr) {
    return ThrowErrno(env, error,
                      "cannot start the heartbeat on map descriptor " + std::to_string(fd));
  }
  auto owned = EnvOwned<Heartbeat>::New(env, std::move(heartbeat));
  Napi::Object object = Napi::Object::New(env);
  object.Set("stop",
             Napi::Function::New(env, [owned](const Napi::CallbackInfo&) { owned->Release(); }));
  return object;
}

}  // namespace

void RegisterHeartbeat(Napi::Env env, Napi::Object exports) {
  exports.Set("heartbeatStart", Napi::Function::New(env, Start, "heartbeatStart"));
}

}  // namespace sluice
