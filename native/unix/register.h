// Unix sockets with descriptors for TypeScript.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterUnix(Napi::Env env, Napi::Object exports);

}  // namespace sluice
