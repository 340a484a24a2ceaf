// Small calls on descriptors and the clock.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterDescriptors(Napi::Env env, Napi::Object exports);

}  // namespace sluice
