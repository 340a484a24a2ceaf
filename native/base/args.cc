#include "base/args.h"

#include <cstring>

namespace sluice {

void Args::Reject(size_t index, const char* expected) {
  if (!ok_) return;
  ok_ = false;
  const std::string message =
      std::string(function_) + ": argument " + std::to_string(index + 1) + " must be " + expected;
  Napi::TypeError::New(info_.Env(), message).ThrowAsJavaScriptException();
}

int Args::Int(size_t index) {
  if (!info_[index].IsNumber()) {
    Reject(index, "a number");
    return 0;
  }
  return info_[index].As<Napi::Number>().Int32Value();
}

int Args::Fd(size_t index) {
  const int fd = Int(index);
  if (ok_ && fd < 0) Reject(index, "a file descriptor");
  return ok_ ? fd : -1;
}

bool Args::Bool(size_t index) {
  if (!info_[index].IsBoolean()) {
    Reject(index, "a boolean");
    return false;
  }
  return info_[index].As<Napi::Boolean>().Value();
}

uint64_t Args::Uint64(size_t index) {
  bool lossless = false;
  uint64_t value = 0;
  if (info_[index].IsBigInt()) value = info_[index].As<Napi::BigInt>().Uint64Value(&lossless);
  if (lossless) return value;
  Reject(index, "a bigint of 64 bits");
  return 0;
}

std::string Args::String(size_t index) {
  if (!info_[index].IsString()) {
    Reject(index, "a string");
    return {};
  }
  return info_[index].As<Napi::String>().Utf8Value();
}

Bytes Args::Uint8Array(size_t index) {
  if (!info_[index].IsTypedArray() ||
      info_[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Reject(index, "a Uint8Array");
    return {};
  }
  auto array = info_[index].As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

Napi::Function Args::Function(size_t index) {
  if (!info_[index].IsFunction()) {
    Reject(index, "a function");
    return {};
  }
  return info_[index].As<Napi::Function>();
}

Napi::Object Args::Object(size_t index) {
  if (!info_[index].IsObject()) {
    Reject(index, "an object");
    return {};
  }
  return info_[index].As<Napi::Object>();
}

std::vector<int> Args::Fds(size_t index) {
  std::vector<int> fds;
  if (!info_[index].IsArray()) {
    Reject(index, "an array of file descriptors");
    return fds;
  }
  const auto array = info_[index].As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Value value = array[i];
    if (!value.IsNumber() || value.As<Napi::Number>().Int32Value() < 0) {
      Reject(index, "an array of file descriptors");
      return {};
    }
    fds.push_back(value.As<Napi::Number>().Int32Value());
  }
  return fds;
}

std::string ErrnoName(int error) {
  // The kernel's own ENOTSUPP, which leaks out of bpf(2) and has no name in user space.
  if (error == 524) return "ENOTSUPP";
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

Napi::Value ThrowErrno(Napi::Env env, int error, const std::string& what, const std::string& hint) {
  const char* text = error == 524 ? "not supported by this kernel" : strerrordesc_np(error);
  const std::string message = what + ": " + (text != nullptr ? text : "unknown error") + " (" +
                              ErrnoName(error) + ")" + hint;
  Napi::Error thrown = Napi::Error::New(env, message);
  thrown.Set("code", Napi::String::New(env, ErrnoName(error)));
  thrown.Set("errno", Napi::Number::New(env, error));
  thrown.ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace sluice
