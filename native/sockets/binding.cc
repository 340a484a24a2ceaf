// netnsCreate and the socket calls.
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/args.h"
#include "sockets/register.h"
#include "sockets/sockets.h"

namespace sluice {
namespace {

Napi::Value Result(const Napi::CallbackInfo& info, int64_t result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

// Reads address and port at two arguments; throws and returns false when they are none.
bool ReadEndpoint(Args& args, const Napi::CallbackInfo& info, size_t index, sockaddr_storage* out,
                  socklen_t* size) {
  const Endpoint endpoint = {args.String(index), static_cast<uint16_t>(args.Int(index + 1))};
  if (!args.ok()) return false;
  if (ToSockaddr(endpoint, out, size)) return true;
  ThrowErrno(info.Env(), EINVAL, "'" + endpoint.address + "' is not an address");
  return false;
}

Napi::Value Create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) {
    Napi::TypeError::New(env, "netnsCreate: argument 1 must be an array of addresses")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::vector<std::string> addresses;
  const auto list = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    addresses.push_back(list.Get(i).ToString().Utf8Value());
  }
  std::string step;
  const int netns = CreateNamespace(addresses, &step);
  if (netns >= 0) return Napi::Number::New(env, netns);
  return ThrowErrno(env, -netns, "cannot make a network namespace: " + step);
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  Args args(info, "socketOpen");
  const int netns_fd = args.Fd(0);
  const int family = args.Int(1);
  const int protocol = args.Int(2);
  if (!args.ok()) return info.Env().Undefined();
  const int fd = OpenSocket(netns_fd, family == 6 ? AF_INET6 : AF_INET, protocol);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value Bind(const Napi::CallbackInfo& info) {
  Args args(info, "socketBind");
  const int fd = args.Fd(0);
  sockaddr_storage to;
  socklen_t size = 0;
  if (!ReadEndpoint(args, info, 1, &to, &size)) return info.Env().Undefined();
  return Result(info, bind(fd, reinterpret_cast<sockaddr*>(&to), size));
}

Napi::Value Listen(const Napi::CallbackInfo& info) {
  Args args(info, "socketListen");
  const int fd = args.Fd(0);
  const int backlog = args.Int(1);
  if (!args.ok()) return info.Env().Undefined();
  return Result(info, listen(fd, backlog));
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  Args args(info, "socketConnect");
  const int fd = args.Fd(0);
  sockaddr_storage to;
  socklen_t size = 0;
  if (!ReadEndpoint(args, info, 1, &to, &size)) return info.Env().Undefined();
  return Result(info, connect(fd, reinterpret_cast<sockaddr*>(&to), size));
}

Napi::Value Accept(const Napi::CallbackInfo& info) {
  Args args(info, "socketAccept");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  return Result(info, accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

Napi::Value EndpointObject(Napi::Env env, const sockaddr_storage& name, const std::string& what) {
  Endpoint endpoint;
  if (!FromSockaddr(name, &endpoint)) return ThrowErrno(env, EAFNOSUPPORT, what);
  Napi::Object object = Napi::Object::New(env);
  object.Set("address", Napi::String::New(env, endpoint.address));
  object.Set("port", Napi::Number::New(env, endpoint.port));
  return object;
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

Napi::Value NameBy(NameCall call, const char* function, const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, function);
  const int fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  const std::string what = std::string(function) + " of descriptor " + std::to_string(fd);
  if (call(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return ThrowErrno(env, errno, what);
  return EndpointObject(env, name, what);
}

// What accept(2) itself says of the peer, which need not be what getpeername(2) says.
Napi::Value AcceptFrom(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "socketAcceptFrom");
  const int fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  const std::string what = "socketAcceptFrom of descriptor " + std::to_string(fd);
  const int accepted =
      accept4(fd, reinterpret_cast<sockaddr*>(&name), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) return ThrowErrno(env, errno, what);
  const Napi::Value peer = EndpointObject(env, name, what);
  if (peer.IsObject()) peer.As<Napi::Object>().Set("fd", Napi::Number::New(env, accepted));
  return peer;
}

Napi::Value LocalName(const Napi::CallbackInfo& info) {
  return NameBy(getsockname, "socketLocal", info);
}

Napi::Value PeerName(const Napi::CallbackInfo& info) {
  return NameBy(getpeername, "socketPeer", info);
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  Args args(info, "socketSend");
  const int fd = args.Fd(0);
  const Bytes bytes = args.Uint8Array(1);
  if (!args.ok()) return info.Env().Undefined();
  return Result(info, send(fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT));
}

Napi::Value Receive(const Napi::CallbackInfo& info) {
  Args args(info, "socketReceive");
  const int fd = args.Fd(0);
  const Bytes bytes = args.Uint8Array(1);
  if (!args.ok()) return info.Env().Undefined();
  return Result(info, recv(fd, bytes.data, bytes.size, MSG_DONTWAIT));
}

// What programs ask before they read: bytes that wait, by FIONREAD.
Napi::Value Unread(const Napi::CallbackInfo& info) {
  Args args(info, "socketUnread");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  int bytes = 0;
  const int result = ioctl(fd, FIONREAD, &bytes);
  return Result(info, result < 0 ? result : bytes);
}

// What the kernel charges to the receiver: sk_rmem_alloc.
Napi::Value Charged(const Napi::CallbackInfo& info) {
  Args args(info, "socketCharged");
  const int fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof(memory);
  const int result = getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size);
  return Result(info, result < 0 ? result : static_cast<int>(memory[SK_MEMINFO_RMEM_ALLOC]));
}

Napi::Value SetOption(const Napi::CallbackInfo& info) {
  Args args(info, "socketSetOption");
  const int fd = args.Fd(0);
  const int level = args.Int(1);
  const int option = args.Int(2);
  const Bytes value = args.Uint8Array(3);
  if (!args.ok()) return info.Env().Undefined();
  const auto size = static_cast<socklen_t>(value.size);
  return Result(info, setsockopt(fd, level, option, value.data, size));
}

// Both ways in which programs do it; the tracepoints that watch for it tell them apart.
Napi::Value SetBlocking(const Napi::CallbackInfo& info) {
  Args args(info, "socketSetBlocking");
  const int fd = args.Fd(0);
  const bool blocking = args.Bool(1);
  const std::string call = args.String(2);
  if (!args.ok()) return info.Env().Undefined();
  if (call == "ioctl") {
    int non_blocking = blocking ? 0 : 1;
    return Result(info, ioctl(fd, FIONBIO, &non_blocking));
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return Result(info, flags);
  return Result(info, fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

Napi::Value Splice(const Napi::CallbackInfo& info) {
  Args args(info, "socketSplice");
  const int from = args.Fd(0);
  const int to = args.Fd(1);
  const int bytes = args.Int(2);
  if (!args.ok()) return info.Env().Undefined();
  const auto size = static_cast<size_t>(bytes);
  return Result(info, splice(from, nullptr, to, nullptr, size, SPLICE_F_NONBLOCK));
}

}  // namespace

void RegisterSockets(Napi::Env env, Napi::Object exports) {
  exports.Set("netnsCreate", Napi::Function::New(env, Create, "netnsCreate"));
  exports.Set("socketOpen", Napi::Function::New(env, Open, "socketOpen"));
  exports.Set("socketBind", Napi::Function::New(env, Bind, "socketBind"));
  exports.Set("socketListen", Napi::Function::New(env, Listen, "socketListen"));
  exports.Set("socketConnect", Napi::Function::New(env, Connect, "socketConnect"));
  exports.Set("socketAccept", Napi::Function::New(env, Accept, "socketAccept"));
  exports.Set("socketAcceptFrom", Napi::Function::New(env, AcceptFrom, "socketAcceptFrom"));
  exports.Set("socketLocal", Napi::Function::New(env, LocalName, "socketLocal"));
  exports.Set("socketPeer", Napi::Function::New(env, PeerName, "socketPeer"));
  exports.Set("socketSend", Napi::Function::New(env, Send, "socketSend"));
  exports.Set("socketReceive", Napi::Function::New(env, Receive, "socketReceive"));
  exports.Set("socketUnread", Napi::Function::New(env, Unread, "socketUnread"));
  exports.Set("socketCharged", Napi::Function::New(env, Charged, "socketCharged"));
  exports.Set("socketSetOption", Napi::Function::New(env, SetOption, "socketSetOption"));
  exports.Set("socketSetBlocking", Napi::Function::New(env, SetBlocking, "socketSetBlocking"));
  exports.Set("socketSplice", Napi::Function::New(env, Splice, "socketSplice"));
}

}  // namespace sluice
