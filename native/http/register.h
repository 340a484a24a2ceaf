// The engine's reading of heads for TypeScript's tests and fuzzing.
#pragma once

#include <napi.h>

namespace sluice::http {

void RegisterHttp(Napi::Env env, Napi::Object exports);  // httpReadRequest

}  // namespace sluice::http
