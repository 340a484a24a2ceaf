// Network namespaces for TypeScript.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterNetns(Napi::Env env, Napi::Object exports);

}  // namespace sluice
