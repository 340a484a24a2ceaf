// The reactor's face for TypeScript: options in, an object with its functions out.
// src/nodeproxy/native.ts says what each does.
#include <memory>
#include <string>

#include "base/args.h"
#include "base/poll_watch.h"
#include "reactor/pool_socket_source.h"
#include "reactor/register.h"
#include "reactor/uv_driver.h"

namespace sluice {

namespace {

// Owns itself until libuv has let go of the driver; JavaScript's functions reach it through a
// shared pointer that Close() clears.
class Binding {
 public:
  Binding(Napi::Env env, Napi::Function on_events, Napi::Object memory)
      : env_(env), callback_(env, on_events, "sluice:reactor"), memory_(Napi::Persistent(memory)) {}

  int Start(std::unique_ptr<Reactor> reactor) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    const int error = UvDriver::Start(loop, std::move(reactor), [this] { CallEvents(); }, &driver_);
    if (error != 0) return error;
    napi_add_async_cleanup_hook(
        env_,
        [](napi_async_cleanup_hook_handle, void* data) { static_cast<Binding*>(data)->Close(); },
        this, &hook_);
    return 0;
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    driver_->Close([this] {
      const napi_async_cleanup_hook_handle hook = hook_;
      {
        const Napi::HandleScope scope(env_);
        delete this;
      }
      napi_remove_async_cleanup_hook(hook);
    });
  }

  bool closed() const { return closed_; }
  Reactor& reactor() { return driver_->reactor(); }

 private:
  void CallEvents() {
    const Napi::HandleScope scope(env_);
    callback_.Call({});
  }

  napi_env env_;
  LoopCallback callback_;
  Napi::ObjectReference memory_;  // the rings must not be collected
  std::unique_ptr<UvDriver> driver_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool closed_ = false;
};

// Options by name. The first wrong one throws; after that everything reads as zero.
class Options {
 public:
  Options(Napi::Env env, Napi::Object object) : env_(env), object_(object) {}

  bool ok() const { return ok_; }

  int64_t Number(const char* name, int64_t least) {
    const Napi::Value value = object_.Get(name);
    if (value.IsNumber() && value.As<Napi::Number>().Int64Value() >= least) {
      return value.As<Napi::Number>().Int64Value();
    }
    return Reject(name, "a number of at least " + std::to_string(least));
  }

  int Fd(const char* name) { return static_cast<int>(Number(name, -1)); }

  Bytes Memory(const char* name) {
    const Napi::Value value = object_.Get(name);
    if (!value.IsArrayBuffer()) {
      Reject(name, "an ArrayBuffer");
      return {};
    }
    auto buffer = value.As<Napi::ArrayBuffer>();
    return {static_cast<uint8_t*>(buffer.Data()), buffer.ByteLength()};
  }

 private:
  int Reject(const char* name, const std::string& expected) {
    if (ok_) {
      const std::string message =
          std::string("reactorCreate: option ") + name + " must be " + expected;
      Napi::TypeError::New(env_, message).ThrowAsJavaScriptException();
    }
    ok_ = false;
    return 0;
  }

  Napi::Env env_;
  Napi::Object object_;
  bool ok_ = true;
};

ReactorConfig ReadConfig(Options& options) {
  ReactorConfig config;
  const Bytes events = options.Memory("events");
  const Bytes commands = options.Memory("commands");
  const Bytes slab = options.Memory("slab");
  config.slab = {slab.data, static_cast<uint32_t>(slab.size)};
  config.event_words = reinterpret_cast<int32_t*>(events.data);
  config.event_word_count = events.size / sizeof(int32_t);
  config.command_words = reinterpret_cast<int32_t*>(commands.data);
  config.command_word_count = commands.size / sizeof(int32_t);
  config.max_connections = static_cast<uint32_t>(options.Number("maxConnections", 1));
  config.generation = static_cast<uint32_t>(options.Number("generation", 0));
  config.pair_limit_bytes = static_cast<uint64_t>(options.Number("pairLimitBytes", 1));
  config.maps.origins = options.Fd("originsMapFd");
  config.maps.leg_intents = options.Fd("legIntentsMapFd");
  config.maps.sock_info = options.Fd("sockInfoMapFd");
  config.maps.pairs = options.Fd("pairsMapFd");
  config.maps.pair_control = options.Fd("pairControlMapFd");
  config.maps.pair_stats = options.Fd("pairStatsMapFd");
  config.maps.queue_query_program = options.Fd("queueQueryProgFd");
  return config;
}

Napi::Value StatsObject(Napi::Env env, Reactor& reactor) {
  const Stats& stats = reactor.stats();
  Napi::Object object = Napi::Object::New(env);
#define SLUICE_X(name) object.Set(#name, static_cast<double>(stats.name));
  SLUICE_REACTOR_STATS(SLUICE_X)
#undef SLUICE_X
  object.Set("openConnections", reactor.open_connections());
  return object;
}

Napi::Value PairedFds(const Napi::CallbackInfo& info, Binding* binding) {
  Args args(info, "pairedFds");
  const int conn = args.Int(0);
  std::pair<int, int> fds;
  if (!args.ok() || !binding->reactor().ShareFds(conn, &fds)) return info.Env().Undefined();
  Napi::Array array = Napi::Array::New(info.Env(), 2);
  array.Set(0u, fds.first);
  array.Set(1u, fds.second);
  return array;
}

// Four numbers for each connection: received, sent, direct to the server, direct to the client.
constexpr size_t kProgressNumbers = 4;

Napi::Value Progress(const Napi::CallbackInfo& info, Binding* binding) {
  const Napi::Env env = info.Env();
  const bool typed = info.Length() == 2 && info[0].IsTypedArray() && info[1].IsTypedArray() &&
                     info[0].As<Napi::TypedArray>().TypedArrayType() == napi_int32_array &&
                     info[1].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  if (!typed) {
    Napi::TypeError::New(env, "progress: wants an Int32Array and a Float64Array")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto connections = info[0].As<Napi::Int32Array>();
  auto into = info[1].As<Napi::Float64Array>();
  if (into.ElementLength() < connections.ElementLength() * kProgressNumbers) {
    Napi::RangeError::New(env, "progress: the Float64Array needs four numbers for each connection")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  for (size_t i = 0; i < connections.ElementLength(); i++) {
    const ConnectionProgress progress = binding->reactor().ProgressOf(connections[i]);
    double* numbers = into.Data() + i * kProgressNumbers;
    numbers[0] = static_cast<double>(progress.proxied[kClient]);
    numbers[1] = static_cast<double>(progress.proxied[kServer]);
    numbers[2] = static_cast<double>(progress.direct[kClient]);
    numbers[3] = static_cast<double>(progress.direct[kServer]);
  }
  return env.Undefined();
}

Napi::Object Handle(Napi::Env env, Binding* created) {
  auto binding = std::make_shared<Binding*>(created);
  // Every function but close() on a closed reactor is a mistake of the caller's, and says so.
  auto method = [&](const char* name, auto function) {
    return Napi::Function::New(
        env,
        [binding, name, function](const Napi::CallbackInfo& info) -> Napi::Value {
          if (*binding == nullptr || (*binding)->closed()) {
            Napi::Error::New(info.Env(), std::string(name) + ": the reactor is closed")
                .ThrowAsJavaScriptException();
            return info.Env().Undefined();
          }
          return function(info, *binding);
        },
        name);
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("flush",
             method("flush", [](const Napi::CallbackInfo& info, Binding* open) -> Napi::Value {
               open->reactor().RunCommands();
               return info.Env().Undefined();
             }));
  object.Set("stats",
             method("stats", [](const Napi::CallbackInfo& info, Binding* open) -> Napi::Value {
               return StatsObject(info.Env(), open->reactor());
             }));
  object.Set("pairedFds", method("pairedFds", PairedFds));
  object.Set("progress", method("progress", Progress));
  object.Set("close", Napi::Function::New(
                          env,
                          [binding](const Napi::CallbackInfo&) {
                            if (*binding != nullptr) (*binding)->Close();
                            *binding = nullptr;
                          },
                          "close"));
  return object;
}

Napi::Value ReactorCreate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "reactorCreate");
  const Napi::Object given = args.Object(0);
  const Napi::Function on_events = args.Function(1);
  if (!args.ok()) return env.Undefined();
  Options options(env, given);
  const ReactorConfig config = ReadConfig(options);
  if (!options.ok()) return env.Undefined();
  int pool_error = 0;
  std::unique_ptr<SocketSource> sockets = CreatePoolSocketSource(&pool_error);
  if (sockets == nullptr)
    return ThrowErrno(env, pool_error, "cannot start the reactor's socket pool");
  ReactorError error;
  std::unique_ptr<Reactor> reactor = Reactor::Create(config, std::move(sockets), &error);
  if (reactor == nullptr) {
    return ThrowErrno(env, error.error, std::string("cannot create the reactor: ") + error.what);
  }
  Napi::Object memory = Napi::Object::New(env);
  for (const char* name : {"events", "commands", "slab"}) memory.Set(name, given.Get(name));
  auto binding = std::make_unique<Binding>(env, on_events, memory);
  if (const int failed = binding->Start(std::move(reactor))) {
    return ThrowErrno(env, -failed, "cannot run the reactor in this event loop");
  }
  return Handle(env, binding.release());
}

}  // namespace

void RegisterReactor(Napi::Env env, Napi::Object exports) {
  exports.Set("reactorCreate", Napi::Function::New(env, ReactorCreate, "reactorCreate"));
}

}  // namespace sluice
