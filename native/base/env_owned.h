// Native objects whose lifetime is the caller's decision, not the garbage collector's.
#pragma once

#include <napi.h>

#include <memory>

namespace sluice {

// Holds a T until Release() or until its environment (main thread or worker) ends, whichever is
// first. Never until a JavaScript handle is collected: TypeScript keeps descriptors as plain
// numbers, and a descriptor closed behind its back would soon be somebody else's.
template <typename T>
class EnvOwned {
 public:
  static std::shared_ptr<EnvOwned> New(Napi::Env env, std::unique_ptr<T> value) {
    auto owned = std::shared_ptr<EnvOwned>(new EnvOwned(env, std::move(value)));
    owned->hook_ = new std::shared_ptr<EnvOwned>(owned);
    napi_add_env_cleanup_hook(env, AtExit, owned->hook_);
    return owned;
  }

  // Nullptr once released.
  T* get() const { return value_.get(); }

  void Release() {
    if (hook_ == nullptr) return;
    std::shared_ptr<EnvOwned>* hook = hook_;
    hook_ = nullptr;
    napi_remove_env_cleanup_hook(env_, AtExit, hook);
    value_.reset();
    delete hook;  // may delete this
  }

 private:
  EnvOwned(napi_env env, std::unique_ptr<T> value) : env_(env), value_(std::move(value)) {}

  static void AtExit(void* data) {
    auto* hook = static_cast<std::shared_ptr<EnvOwned>*>(data);
    (*hook)->hook_ = nullptr;
    (*hook)->value_.reset();
    delete hook;
  }

  napi_env env_;
  std::unique_ptr<T> value_;
  std::shared_ptr<EnvOwned>* hook_ = nullptr;
};

}  // namespace sluice
