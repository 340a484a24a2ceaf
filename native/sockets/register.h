// Plain sockets for preflight and tests.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterSockets(Napi::Env env, Napi::Object exports);

}  // namespace sluice
