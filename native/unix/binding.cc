// unixConnect, unixPair, unixSend, unixReceive.
#include <cerrno>
#include <cstring>

#include "base/args.h"
#include "unix/messages.h"
#include "unix/register.h"

namespace sluice {
namespace {

Napi::Value Connect(const Napi::CallbackInfo& info) {
  Args args(info, "unixConnect");
  const std::string path = args.String(0);
  if (!args.ok()) return info.Env().Undefined();
  const int fd = ConnectUnix(path);
  return fd >= 0 ? Napi::Number::New(info.Env(), fd).As<Napi::Value>()
                 : ThrowErrno(info.Env(), -fd, "cannot connect to Unix socket " + path);
}

Napi::Value Pair(const Napi::CallbackInfo& info) {
  UniqueFd first;
  UniqueFd second;
  const int error = PairUnix(&first, &second);
  if (error != 0) return ThrowErrno(info.Env(), -error, "cannot make a pair of Unix sockets");
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair[0u] = first.release();
  pair[1u] = second.release();
  return pair;
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  Args args(info, "unixSend");
  const int fd = args.Fd(0);
  const Bytes message = args.Uint8Array(1);
  const std::vector<int> fds = args.Fds(2);
  if (!args.ok()) return info.Env().Undefined();
  const long sent = SendMessage(fd, message.data, message.size, fds);
  return Napi::Number::New(info.Env(), static_cast<double>(sent));
}

Napi::Value Receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "unixReceive");
  const int fd = args.Fd(0);
  const int max_bytes = args.Int(1);
  const int max_fds = args.Int(2);
  if (!args.ok()) return env.Undefined();
  if (max_bytes <= 0 || max_fds < 0 || static_cast<size_t>(max_fds) > kMaxMessageFds) {
    return ThrowErrno(env, EINVAL, "unixReceive: at most 253 descriptors, at least one byte");
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(max_bytes));
  ReceivedMessage message;
  const int result =
      ReceiveMessage(fd, bytes.data(), bytes.size(), static_cast<size_t>(max_fds), &message);
  if (result == -EAGAIN) return env.Undefined();
  if (result != 0) {
    return ThrowErrno(env, -result,
                      "cannot receive from Unix socket descriptor " + std::to_string(fd));
  }
  Napi::Uint8Array copy = Napi::Uint8Array::New(env, message.size);
  if (message.size > 0) memcpy(copy.Data(), bytes.data(), message.size);
  Napi::Array fds = Napi::Array::New(env, message.fds.size());
  for (uint32_t i = 0; i < message.fds.size(); i++) fds[i] = message.fds[i].release();
  Napi::Object object = Napi::Object::New(env);
  object.Set("message", copy);
  object.Set("fds", fds);
  return object;
}

}  // namespace

void RegisterUnix(Napi::Env env, Napi::Object exports) {
  exports.Set("unixConnect", Napi::Function::New(env, Connect, "unixConnect"));
  exports.Set("unixPair", Napi::Function::New(env, Pair, "unixPair"));
  exports.Set("unixSend", Napi::Function::New(env, Send, "unixSend"));
  exports.Set("unixReceive", Napi::Function::New(env, Receive, "unixReceive"));
}

}  // namespace sluice
