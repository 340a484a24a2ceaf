// netnsOpen, netnsListen, socketListens, netnsInspect, netnsConnections, netnsEndConnections.
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/args.h"
#include "base/is_listener.h"
#include "netns/connections.h"
#include "netns/inspect.h"
#include "netns/netns_thread.h"
#include "netns/register.h"

namespace sluice {
namespace {

// One call that is under way: made on JavaScript's thread, filled on the namespace thread, and
// settled on JavaScript's thread again. What it still owns when the environment ends is closed with
// it.
struct Call {
  Napi::Promise::Deferred deferred;
  Napi::ThreadSafeFunction done;
  UniqueFd netns;  // a duplicate: the caller may close its own before the thread gets here
  std::string what;
  std::string step;
  int error = 0;
  int family = AF_INET;
  int backlog = 0;
  UniqueFd listener;
  NetnsFacts facts;
  std::vector<ConnectionName> connections;
  uint32_t ended = 0;
  Napi::Value (*result)(Napi::Env, Call&) = nullptr;  // of a call that went well

  explicit Call(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
};

Napi::Value FactsObject(Napi::Env env, const NetnsFacts& facts) {
  Napi::Array addresses = Napi::Array::New(env, facts.addresses.size());
  for (uint32_t i = 0; i < facts.addresses.size(); i++) addresses[i] = facts.addresses[i];
  Napi::Array range = Napi::Array::New(env, 2);
  range[0u] = facts.local_port_first;
  range[1u] = facts.local_port_last;
  Napi::Object object = Napi::Object::New(env);
  object.Set("cookie", Napi::BigInt::New(env, facts.cookie));
  object.Set("addresses", addresses);
  object.Set("localPortRange", range);
  return object;
}

void Settle(Napi::Env env, Napi::Function, Call* call) {
  const std::unique_ptr<Call> owner(call);
  if (env == nullptr) return;  // the environment ends: nobody waits
  if (call->error != 0) {
    ThrowErrno(env, call->error, call->what + ": cannot " + call->step);
    call->deferred.Reject(env.GetAndClearPendingException().Value());
  } else {
    call->deferred.Resolve(call->result(env, *call));
  }
}

void Finish(std::unique_ptr<Call> call) {
  Napi::ThreadSafeFunction done = call->done;
  // The queue is unbounded, so the only refusal is an environment that is ending.
  if (done.BlockingCall(call.get(), Settle) == napi_ok) {
    call.release();
    done.Release();
  }
}

class NetnsCalls {
 public:
  // Throws and returns nullptr when there is no thread.
  NetnsThread* Thread(Napi::Env env) {
    if (thread_ != nullptr) return thread_.get();
    int error = 0;
    thread_ = NetnsThread::Create(nullptr, {}, &error);
    if (thread_ == nullptr) ThrowErrno(env, error, "cannot start the namespace thread");
    return thread_.get();
  }

 private:
  std::unique_ptr<NetnsThread> thread_;
};

std::unique_ptr<Call> NewCall(Napi::Env env, int netns_fd, const char* what) {
  auto call = std::make_unique<Call>(env);
  call->what = std::string(what) + " of descriptor " + std::to_string(netns_fd);
  call->netns.reset(fcntl(netns_fd, F_DUPFD_CLOEXEC, 0));
  if (!call->netns.valid()) {
    ThrowErrno(env, errno, call->what);
    return nullptr;
  }
  // Keeps the loop alive until the promise is settled.
  call->done = Napi::ThreadSafeFunction::New(env, Napi::Function(), "sluice:netns", 0, 1);
  return call;
}

// Runs `work` inside the namespace and settles the call with what it left there.
Napi::Value Run(Napi::Env env, NetnsCalls& calls, std::unique_ptr<Call> call, int (*work)(Call&)) {
  NetnsThread* thread = calls.Thread(env);
  if (thread == nullptr) {
    call->done.Release();
    return env.Undefined();
  }
  const Napi::Promise promise = call->deferred.Promise();
  thread->Post([thread, work, raw = call.release()] {
    std::unique_ptr<Call> call(raw);
    int result = 0;
    const int moved = thread->Inside(call->netns.get(), [&] { result = work(*call); });
    if (moved != 0) call->step = "enter it";
    call->error = moved != 0 ? -moved : (result < 0 ? -result : 0);
    call->netns.reset();
    Finish(std::move(call));
  });
  return promise;
}

Napi::Value Listen(const Napi::CallbackInfo& info, NetnsCalls& calls) {
  const Napi::Env env = info.Env();
  Args args(info, "netnsListen");
  const int netns_fd = args.Fd(0);
  const int family = args.Int(1);
  const int backlog = args.Int(2);
  if (!args.ok()) return env.Undefined();
  auto call = NewCall(env, netns_fd, "listen inside the network namespace");
  if (call == nullptr) return env.Undefined();
  call->family = family == 6 ? AF_INET6 : AF_INET;
  call->backlog = backlog;
  call->result = [](Napi::Env env, Call& call) -> Napi::Value {
    return Napi::Number::New(env, call.listener.release());
  };
  return Run(env, calls, std::move(call), [](Call& call) {
    const int fd = ListenHere(call.family, call.backlog, &call.step);
    if (fd >= 0) call.listener.reset(fd);
    return fd;
  });
}

Napi::Value Inspect(const Napi::CallbackInfo& info, NetnsCalls& calls) {
  const Napi::Env env = info.Env();
  Args args(info, "netnsInspect");
  const int netns_fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  auto call = NewCall(env, netns_fd, "inspection of the network namespace");
  if (call == nullptr) return env.Undefined();
  call->result = [](Napi::Env env, Call& call) -> Napi::Value {
    return FactsObject(env, call.facts);
  };
  return Run(env, calls, std::move(call),
             [](Call& call) { return InspectHere(&call.facts, &call.step); });
}

Napi::Value Connections(const Napi::CallbackInfo& info, NetnsCalls& calls) {
  const Napi::Env env = info.Env();
  Args args(info, "netnsConnections");
  const int netns_fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  auto call = NewCall(env, netns_fd, "connections of the network namespace");
  if (call == nullptr) return env.Undefined();
  call->result = [](Napi::Env env, Call& call) -> Napi::Value {
    const size_t size = call.connections.size() * sizeof(ConnectionName);
    Napi::Uint8Array names = Napi::Uint8Array::New(env, size);
    if (size > 0) memcpy(names.Data(), call.connections.data(), size);
    return names;
  };
  return Run(env, calls, std::move(call),
             [](Call& call) { return ListConnectionsHere(&call.connections, &call.step); });
}

Napi::Value EndConnections(const Napi::CallbackInfo& info, NetnsCalls& calls) {
  const Napi::Env env = info.Env();
  Args args(info, "netnsEndConnections");
  const int netns_fd = args.Fd(0);
  const Bytes names = args.Uint8Array(1);
  if (!args.ok()) return env.Undefined();
  if (names.size % sizeof(ConnectionName) != 0) {
    return ThrowErrno(env, EINVAL, "netnsEndConnections: these are no names of connections");
  }
  auto call = NewCall(env, netns_fd, "end of connections of the network namespace");
  if (call == nullptr) return env.Undefined();
  call->connections.resize(names.size / sizeof(ConnectionName));
  if (names.size > 0) memcpy(call->connections.data(), names.data, names.size);
  call->result = [](Napi::Env env, Call& call) -> Napi::Value {
    return Napi::Number::New(env, call.ended);
  };
  return Run(env, calls, std::move(call), [](Call& call) {
    return EndConnectionsHere(call.connections, &call.ended, &call.step);
  });
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  Args args(info, "netnsOpen");
  const std::string path = args.String(0);
  if (!args.ok()) return info.Env().Undefined();
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return ThrowErrno(info.Env(), errno, "cannot open network namespace " + path);
  // A path that a pod's files could stand at must not be trusted to be a namespace.
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return ThrowErrno(info.Env(), EINVAL, "cannot open network namespace " + path,
                      "; it is not a network namespace (deleted, or its mount is gone?)");
  }
  return Napi::Number::New(info.Env(), fd.release());
}

Napi::Value Listens(const Napi::CallbackInfo& info) {
  Args args(info, "socketListens");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), IsListener(fd));
}

}  // namespace

void RegisterNetns(Napi::Env env, Napi::Object exports) {
  // One thread for each environment, which ends when the functions are collected.
  auto calls = std::make_shared<NetnsCalls>();
  exports.Set("netnsOpen", Napi::Function::New(env, Open, "netnsOpen"));
  exports.Set("netnsListen",
              Napi::Function::New(
                  env, [calls](const Napi::CallbackInfo& info) { return Listen(info, *calls); },
                  "netnsListen"));
  exports.Set("socketListens", Napi::Function::New(env, Listens, "socketListens"));
  exports.Set("netnsInspect",
              Napi::Function::New(
                  env, [calls](const Napi::CallbackInfo& info) { return Inspect(info, *calls); },
                  "netnsInspect"));
  exports.Set("netnsConnections",
              Napi::Function::New(
                  env,
                  [calls](const Napi::CallbackInfo& info) { return Connections(info, *calls); },
                  "netnsConnections"));
  exports.Set("netnsEndConnections",
              Napi::Function::New(
                  env,
                  [calls](const Napi::CallbackInfo& info) { return EndConnections(info, *calls); },
                  "netnsEndConnections"));
}

}  // namespace sluice
