// bpfLoad, bpfPin, bpfGetPinned, bpfProgInfo, bpfProgRun.
#include <bpf/bpf.h>

#include <cerrno>

#include "base/args.h"
#include "base/env_owned.h"
#include "bpf/register.h"
#include "bpf/object.h"

namespace sluice {
namespace {

// Reads an optional { name: number } property; throws and returns false when it has another shape.
template <typename T>
bool ReadNumbers(const Napi::Object& options, const char* property, std::map<std::string, T>* out) {
  const Napi::Env env = options.Env();
  const Napi::Value value = options.Get(property);
  if (value.IsUndefined()) return true;
  if (!value.IsObject()) {
    Napi::TypeError::New(env, std::string("bpfLoad: ") + property + " must be an object")
        .ThrowAsJavaScriptException();
    return false;
  }
  const auto object = value.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Value number = object.Get(name);
    if (!number.IsNumber() || number.As<Napi::Number>().DoubleValue() < 0) {
      Napi::TypeError::New(env,
                           std::string("bpfLoad: ") + property + "." + name + " must be a number")
          .ThrowAsJavaScriptException();
      return false;
    }
    (*out)[name] = static_cast<T>(number.As<Napi::Number>().Uint32Value());
  }
  return true;
}

bool ReadNames(const Napi::Object& options, const char* property, std::vector<std::string>* out) {
  const Napi::Value value = options.Get(property);
  if (value.IsUndefined()) return true;
  const bool is_array = value.IsArray();
  const uint32_t length = is_array ? value.As<Napi::Array>().Length() : 0;
  for (uint32_t i = 0; i < length; i++) {
    const Napi::Value name = value.As<Napi::Array>().Get(i);
    if (name.IsString()) out->push_back(name.As<Napi::String>().Utf8Value());
  }
  if (is_array && out->size() == length) return true;
  Napi::TypeError::New(options.Env(),
                       std::string("bpfLoad: ") + property + " must be an array of strings")
      .ThrowAsJavaScriptException();
  return false;
}

Napi::Object Descriptors(Napi::Env env, const std::map<std::string, int>& fds) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, fd] : fds) object.Set(name, Napi::Number::New(env, fd));
  return object;
}

Napi::Value ThrowLoadFailure(Napi::Env env, const BpfLoadFailure& failure) {
  ThrowErrno(env, failure.error, failure.message, failure.hint);
  Napi::Error thrown = env.GetAndClearPendingException();
  thrown.Set("program", Napi::String::New(env, failure.program));
  thrown.Set("log", Napi::String::New(env, failure.log));
  thrown.ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value CopyProgram(const Napi::CallbackInfo& info, const BpfObject* object) {
  Args args(info, "copyProgram");
  const std::string name = args.String(0);
  const uint64_t placeholder = args.Uint64(1);
  const uint64_t value = args.Uint64(2);
  if (!args.ok()) return info.Env().Undefined();
  BpfLoadFailure failure;
  if (object == nullptr) {
    failure.error = EBADF;
    failure.message = "cannot copy BPF program '" + name + "' of an object that is closed";
    return ThrowLoadFailure(info.Env(), failure);
  }
  const int fd = object->CopyProgram(name, placeholder, value, &failure);
  if (fd < 0) return ThrowLoadFailure(info.Env(), failure);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfLoad");
  BpfLoadRequest request;
  request.path = args.String(0);
  const Napi::Object options = args.Object(1);
  if (!args.ok() || !ReadNumbers(options, "reuse", &request.reuse) ||
      !ReadNumbers(options, "maxEntries", &request.max_entries) ||
      !ReadNames(options, "skip", &request.skip)) {
    return env.Undefined();
  }
  BpfLoadFailure failure;
  std::unique_ptr<BpfObject> loaded = BpfObject::Load(request, &failure);
  if (loaded == nullptr) return ThrowLoadFailure(env, failure);

  Napi::Object object = Napi::Object::New(env);
  object.Set("maps", Descriptors(env, loaded->Maps()));
  object.Set("programs", Descriptors(env, loaded->Programs()));
  auto owned = EnvOwned<BpfObject>::New(env, std::move(loaded));
  object.Set("copyProgram",
             Napi::Function::New(env, [owned](const Napi::CallbackInfo& call) {
               return CopyProgram(call, owned->get());
             }));
  object.Set("close",
             Napi::Function::New(env, [owned](const Napi::CallbackInfo&) { owned->Release(); }));
  return object;
}

Napi::Value Pin(const Napi::CallbackInfo& info) {
  Args args(info, "bpfPin");
  const int fd = args.Fd(0);
  const std::string path = args.String(1);
  if (!args.ok() || bpf_obj_pin(fd, path.c_str()) == 0) return info.Env().Undefined();
  const int error = errno;
  // What bpf(2) says for a path on another file system is EPERM, which sends people to
  // capabilities.
  const char* hint =
      error == EPERM ? "; is a bpf file system mounted there? `mount -t bpf bpf <directory>`" : "";
  return ThrowErrno(info.Env(), error,
                    "cannot pin descriptor " + std::to_string(fd) + " at " + path, hint);
}

Napi::Value GetPinned(const Napi::CallbackInfo& info) {
  Args args(info, "bpfGetPinned");
  const std::string path = args.String(0);
  if (!args.ok()) return info.Env().Undefined();
  const int fd = bpf_obj_get(path.c_str());
  if (fd >= 0) return Napi::Number::New(info.Env(), fd);
  const int error = errno;
  if (error == ENOENT) return Napi::Number::New(info.Env(), -ENOENT);
  return ThrowErrno(info.Env(), error, "cannot open pinned object " + path);
}

Napi::Value ProgInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfProgInfo");
  const int fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  bpf_prog_info program = {};
  uint32_t size = sizeof(program);
  if (bpf_obj_get_info_by_fd(fd, &program, &size) != 0) {
    return ThrowErrno(env, errno, "cannot ask what program descriptor " + std::to_string(fd) +
                                      " is");
  }
  std::string tag;
  for (const uint8_t byte : program.tag) {
    tag += "0123456789abcdef"[byte >> 4];
    tag += "0123456789abcdef"[byte & 15];
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", Napi::Number::New(env, program.id));
  object.Set("tag", Napi::String::New(env, tag));
  return object;
}

Napi::Value ProgRun(const Napi::CallbackInfo& info) {
  Args args(info, "bpfProgRun");
  const int fd = args.Fd(0);
  const Bytes context = args.Uint8Array(1);
  if (!args.ok()) return info.Env().Undefined();
  bpf_test_run_opts options = {};
  options.sz = sizeof(options);
  options.ctx_in = context.data;
  options.ctx_size_in = static_cast<uint32_t>(context.size);
  if (bpf_prog_test_run_opts(fd, &options) == 0) {
    return Napi::Number::New(info.Env(), static_cast<int32_t>(options.retval));
  }
  return ThrowErrno(info.Env(), errno, "cannot run program descriptor " + std::to_string(fd));
}

}  // namespace

void RegisterBpfObjects(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfLoad", Napi::Function::New(env, Load, "bpfLoad"));
  exports.Set("bpfPin", Napi::Function::New(env, Pin, "bpfPin"));
  exports.Set("bpfGetPinned", Napi::Function::New(env, GetPinned, "bpfGetPinned"));
  exports.Set("bpfProgInfo", Napi::Function::New(env, ProgInfo, "bpfProgInfo"));
  exports.Set("bpfProgRun", Napi::Function::New(env, ProgRun, "bpfProgRun"));
}

}  // namespace sluice
