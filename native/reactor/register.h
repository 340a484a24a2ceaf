// The reactor for TypeScript.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterReactor(Napi::Env env, Napi::Object exports);  // reactorCreate

}  // namespace sluice
