// The BPF part of the addon: libbpf behind functions that TypeScript calls. Mechanism only.
#pragma once

#include <napi.h>

namespace sluice {

void RegisterBpfObjects(Napi::Env env, Napi::Object exports);  // load, pin, run
void RegisterBpfLinks(Napi::Env env, Napi::Object exports);    // attach, update, detach
void RegisterBpfMaps(Napi::Env env, Napi::Object exports);     // entries, dump, mmap
void RegisterBpfRing(Napi::Env env, Napi::Object exports);     // ring buffer

}  // namespace sluice
