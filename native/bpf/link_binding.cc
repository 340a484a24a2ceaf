// bpfLinkCreate, bpfLinkUpdate, bpfLinkDetach, bpfLinkProgram, bpfProgAttach, bpfAttachTracepoint.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>

#include "base/args.h"
#include "bpf/register.h"
#include "bpf/tracepoint.h"

namespace sluice {
namespace {

std::string Attachment(int prog_fd, int target_fd, int attach_type) {
  const char* type = libbpf_bpf_attach_type_str(static_cast<bpf_attach_type>(attach_type));
  return "program descriptor " + std::to_string(prog_fd) + " to descriptor " +
         std::to_string(target_fd) + " as " +
         (type != nullptr ? type : std::to_string(attach_type));
}

Napi::Value LinkCreate(const Napi::CallbackInfo& info) {
  Args args(info, "bpfLinkCreate");
  const int prog_fd = args.Fd(0);
  const int target_fd = args.Fd(1);
  const int attach_type = args.Int(2);
  if (!args.ok()) return info.Env().Undefined();
  const int link =
      bpf_link_create(prog_fd, target_fd, static_cast<bpf_attach_type>(attach_type), nullptr);
  if (link >= 0) return Napi::Number::New(info.Env(), link);
  return ThrowErrno(info.Env(), errno,
                    "cannot link " + Attachment(prog_fd, target_fd, attach_type));
}

Napi::Value LinkUpdate(const Napi::CallbackInfo& info) {
  Args args(info, "bpfLinkUpdate");
  const int link_fd = args.Fd(0);
  const int prog_fd = args.Fd(1);
  if (!args.ok() || bpf_link_update(link_fd, prog_fd, nullptr) == 0) return info.Env().Undefined();
  return ThrowErrno(info.Env(), errno,
                    "cannot put program descriptor " + std::to_string(prog_fd) +
                        " into link descriptor " + std::to_string(link_fd));
}

Napi::Value LinkDetach(const Napi::CallbackInfo& info) {
  Args args(info, "bpfLinkDetach");
  const int link_fd = args.Fd(0);
  if (!args.ok() || bpf_link_detach(link_fd) == 0) return info.Env().Undefined();
  return ThrowErrno(info.Env(), errno, "cannot detach link descriptor " + std::to_string(link_fd));
}

Napi::Value LinkProgram(const Napi::CallbackInfo& info) {
  Args args(info, "bpfLinkProgram");
  const int link_fd = args.Fd(0);
  if (!args.ok()) return info.Env().Undefined();
  bpf_link_info link = {};
  uint32_t size = sizeof(link);
  if (bpf_obj_get_info_by_fd(link_fd, &link, &size) == 0) {
    return Napi::Number::New(info.Env(), link.prog_id);
  }
  return ThrowErrno(info.Env(), errno,
                    "cannot ask what link descriptor " + std::to_string(link_fd) + " runs");
}

Napi::Value ProgAttach(const Napi::CallbackInfo& info) {
  Args args(info, "bpfProgAttach");
  const int prog_fd = args.Fd(0);
  const int target_fd = args.Fd(1);
  const int attach_type = args.Int(2);
  if (!args.ok()) return info.Env().Undefined();
  if (bpf_prog_attach(prog_fd, target_fd, static_cast<bpf_attach_type>(attach_type), 0) == 0) {
    return info.Env().Undefined();
  }
  return ThrowErrno(info.Env(), errno,
                    "cannot attach " + Attachment(prog_fd, target_fd, attach_type));
}

Napi::Value ProgDetach(const Napi::CallbackInfo& info) {
  Args args(info, "bpfProgDetach");
  const int prog_fd = args.Fd(0);
  const int target_fd = args.Fd(1);
  const int attach_type = args.Int(2);
  if (!args.ok()) return info.Env().Undefined();
  if (bpf_prog_detach2(prog_fd, target_fd, static_cast<bpf_attach_type>(attach_type)) == 0) {
    return info.Env().Undefined();
  }
  return ThrowErrno(info.Env(), errno,
                    "cannot detach " + Attachment(prog_fd, target_fd, attach_type));
}

Napi::Value Tracepoint(const Napi::CallbackInfo& info) {
  Args args(info, "bpfAttachTracepoint");
  const int prog_fd = args.Fd(0);
  const std::string category = args.String(1);
  const std::string name = args.String(2);
  if (!args.ok()) return info.Env().Undefined();
  const int link = AttachTracepoint(prog_fd, category, name);
  if (link >= 0 || link == -ENOENT) return Napi::Number::New(info.Env(), link);
  return ThrowErrno(info.Env(), -link,
                    "cannot attach program descriptor " + std::to_string(prog_fd) +
                        " to tracepoint " + category + "/" + name);
}

}  // namespace

void RegisterBpfLinks(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfLinkCreate", Napi::Function::New(env, LinkCreate, "bpfLinkCreate"));
  exports.Set("bpfLinkUpdate", Napi::Function::New(env, LinkUpdate, "bpfLinkUpdate"));
  exports.Set("bpfLinkDetach", Napi::Function::New(env, LinkDetach, "bpfLinkDetach"));
  exports.Set("bpfLinkProgram", Napi::Function::New(env, LinkProgram, "bpfLinkProgram"));
  exports.Set("bpfProgAttach", Napi::Function::New(env, ProgAttach, "bpfProgAttach"));
  exports.Set("bpfProgDetach", Napi::Function::New(env, ProgDetach, "bpfProgDetach"));
  exports.Set("bpfAttachTracepoint", Napi::Function::New(env, Tracepoint, "bpfAttachTracepoint"));
}

}  // namespace sluice
