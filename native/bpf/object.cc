#include "bpf/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstring>

#include "bpf/load_log.h"

namespace sluice {
namespace {

constexpr size_t kReasonLines = 15;

std::string KernelRelease() {
  utsname names = {};
  return uname(&names) == 0 ? names.release : "unknown";
}

bool Fail(BpfLoadFailure* failure, int error, std::string message) {
  failure->error = error;
  failure->message = std::move(message);
  return false;
}

// A map of another shape under the same name is a layout that was changed without a new layout
// number; the kernel would only notice when a program indexes it, if at all.
std::string ShapeDifference(const bpf_map* map, int fd) {
  bpf_map_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return "its descriptor is not a map";
  const auto differs = [](const char* what, uint32_t has, uint32_t needs) {
    return std::string(what) + " is " + std::to_string(has) + ", the object file says " +
           std::to_string(needs);
  };
  if (info.type != bpf_map__type(map)) return differs("type", info.type, bpf_map__type(map));
  if (info.key_size != bpf_map__key_size(map))
    return differs("key size", info.key_size, bpf_map__key_size(map));
  if (info.value_size != bpf_map__value_size(map))
    return differs("value size", info.value_size, bpf_map__value_size(map));
  return {};
}

bool ReuseMap(bpf_object* object, const std::string& path, const std::string& name, int fd,
              BpfLoadFailure* failure) {
  bpf_map* map = bpf_object__find_map_by_name(object, name.c_str());
  // The caller passes every map of the node; an object file takes those that it knows.
  if (map == nullptr) return true;
  const std::string difference = ShapeDifference(map, fd);
  if (!difference.empty()) {
    return Fail(failure, EINVAL,
                "cannot reuse map '" + name + "' for " + path + ": " + difference +
                    " (pinned by another layout version?)");
  }
  const int error = bpf_map__reuse_fd(map, fd);
  if (error != 0) return Fail(failure, -error, "cannot reuse map '" + name + "' for " + path);
  return true;
}

BpfLoadFailure Describe(const std::string& path, int error, const LoadLog& log) {
  BpfLoadFailure failure;
  failure.error = error;
  failure.program = log.RejectedProgram();
  failure.log = log.text();
  failure.message = "cannot load " + path + " on kernel " + KernelRelease();
  if (!failure.program.empty()) {
    failure.message += ": program '" + failure.program + "' was rejected by the verifier";
  }
  failure.hint = error == EPERM ? "; needs root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                                : "; run `sluice preflight`";
  const std::string reason = log.Reason(kReasonLines);
  if (!reason.empty()) failure.hint += "\n" + reason;
  return failure;
}

// A 64-bit constant is loaded by one instruction of two slots, which hold its two halves.
int ExchangeConstant(std::vector<bpf_insn>* code, uint64_t from, uint64_t to) {
  int exchanged = 0;
  for (size_t i = 0; i + 1 < code->size(); i++) {
    bpf_insn& low = (*code)[i];
    bpf_insn& high = (*code)[i + 1];
    if (low.code != (BPF_LD | BPF_IMM | BPF_DW)) continue;
    const bool is_number = low.src_reg == 0;  // else the descriptor of a map
    const uint64_t constant =
        static_cast<uint32_t>(low.imm) | uint64_t{static_cast<uint32_t>(high.imm)} << 32;
    if (is_number && constant == from) {
      low.imm = static_cast<int32_t>(to);
      high.imm = static_cast<int32_t>(to >> 32);
      exchanged++;
    }
    i++;
  }
  return exchanged;
}

}  // namespace

void BpfObject::Close::operator()(bpf_object* object) const { bpf_object__close(object); }

bool BpfObject::Prepare(bpf_object* object, const BpfLoadRequest& request,
                        BpfLoadFailure* failure) {
  for (const auto& [name, entries] : request.max_entries) {
    bpf_map* map = bpf_object__find_map_by_name(object, name.c_str());
    if (map == nullptr) continue;
    const int error = bpf_map__set_max_entries(map, entries);
    if (error != 0) {
      return Fail(failure, -error, "cannot size map '" + name + "' of " + request.path);
    }
  }
  // After sizing: a reused map keeps the size it was made with.
  for (const auto& [name, fd] : request.reuse) {
    if (!ReuseMap(object, request.path, name, fd, failure)) return false;
  }
  for (const std::string& name : request.skip) {
    bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
    if (program != nullptr) bpf_program__set_autoload(program, false);
  }
  return true;
}

std::unique_ptr<BpfObject> BpfObject::Load(const BpfLoadRequest& request, BpfLoadFailure* failure) {
  LoadLog log;
  bpf_object_open_opts options = {};
  options.sz = sizeof(options);
  errno = 0;
  Handle handle(bpf_object__open_file(request.path.c_str(), &options));
  if (!handle) {
    const int error = errno;
    *failure = Describe(request.path, error, log);
    failure->message = "cannot open BPF object " + request.path;
    failure->hint = error == ENOENT ? "; not built? run `npm run build`" : "\n" + log.Reason(3);
    return nullptr;
  }
  if (!Prepare(handle.get(), request, failure)) return nullptr;
  const int error = bpf_object__load(handle.get());
  if (error != 0) {
    *failure = Describe(request.path, -error, log);
    return nullptr;
  }
  return std::unique_ptr<BpfObject>(new BpfObject(std::move(handle)));
}

int BpfObject::CopyProgram(const std::string& name, uint64_t placeholder, uint64_t value,
                           BpfLoadFailure* failure) const {
  const bpf_program* program = bpf_object__find_program_by_name(handle_.get(), name.c_str());
  if (program == nullptr) {
    Fail(failure, ENOENT, "cannot copy BPF program '" + name + "'");
    return -1;
  }
  const bpf_insn* first = bpf_program__insns(program);
  std::vector<bpf_insn> code(first, first + bpf_program__insn_cnt(program));
  if (ExchangeConstant(&code, placeholder, value) == 0) {
    Fail(failure, EINVAL, "cannot copy BPF program '" + name + "': it lacks the constant");
    return -1;
  }
  char log[4096] = {};
  bpf_prog_load_opts options = {};
  options.sz = sizeof(options);
  options.expected_attach_type = bpf_program__expected_attach_type(program);
  options.log_buf = log;
  options.log_size = sizeof(log);
  const int fd = bpf_prog_load(bpf_program__type(program), name.c_str(), "Dual BSD/GPL",
                               code.data(), code.size(), &options);
  if (fd < 0) {
    Fail(failure, errno, "cannot load a copy of BPF program '" + name + "'");
    failure->log = log;
  }
  return fd;
}

std::map<std::string, int> BpfObject::Maps() const {
  std::map<std::string, int> fds;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, handle_.get()) {
    const int fd = bpf_map__fd(map);
    if (fd >= 0) fds[bpf_map__name(map)] = fd;
  }
  return fds;
}

std::map<std::string, int> BpfObject::Programs() const {
  std::map<std::string, int> fds;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, handle_.get()) {
    const int fd = bpf_program__fd(program);
    if (fd >= 0) fds[bpf_program__name(program)] = fd;
  }
  return fds;
}

}  // namespace sluice
