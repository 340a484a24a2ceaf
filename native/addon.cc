// What the addon exports; src/nodeproxy/native.ts says what each does.
#include <napi.h>

#include "base/descriptors.h"
#include "base/poll_watch.h"
#include "bpf/register.h"
#include "heartbeat/register.h"
#include "http/register.h"
#include "netns/register.h"
#include "reactor/register.h"
#include "sockets/register.h"
#include "unix/register.h"

namespace sluice {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  RegisterBpfObjects(env, exports);
  RegisterBpfLinks(env, exports);
  RegisterBpfMaps(env, exports);
  RegisterBpfRing(env, exports);
  RegisterDescriptors(env, exports);
  RegisterWatch(env, exports);
  RegisterHeartbeat(env, exports);
  http::RegisterHttp(env, exports);
  RegisterNetns(env, exports);
  RegisterReactor(env, exports);
  RegisterSockets(env, exports);
  RegisterUnix(env, exports);
  return exports;
}

NODE_API_MODULE(sluice, Init)

}  // namespace sluice
