// The heartbeat for TypeScript.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterHeartbeat(Napi::Env env, Napi::Object exports);

}  // namespace sluice
