// One loaded object file: its programs and maps as descriptors, without any of Node's types.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct bpf_object;

namespace sluice {

struct BpfLoadRequest {
  std::string path;
  std::map<std::string, int> reuse;             // map name -> descriptor
  std::map<std::string, uint32_t> max_entries;  // map name -> entries
  std::vector<std::string> skip;                // programs that are not loaded
};

struct BpfLoadFailure {
  int error = 0;
  std::string message;  // what failed, and whose fault it is
  std::string hint;  // what follows the errno text: the likely fix, then the verifier's last lines
  std::string program;  // the program that the verifier rejected, or empty
  std::string log;      // all that libbpf and the verifier said
};

class BpfObject {
 public:
  // Nullptr and *failure filled: then nothing of it stays in the kernel.
  static std::unique_ptr<BpfObject> Load(const BpfLoadRequest& request, BpfLoadFailure* failure);

  // Loads one of its programs once more, with the 64-bit constant `placeholder` in it exchanged for
  // `value`: a descriptor that is the caller's, or -1 and *failure filled.
  int CopyProgram(const std::string& name, uint64_t placeholder, uint64_t value,
                  BpfLoadFailure* failure) const;

  std::map<std::string, int> Maps() const;
  std::map<std::string, int> Programs() const;

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  using Handle = std::unique_ptr<bpf_object, Close>;

  explicit BpfObject(Handle handle) : handle_(std::move(handle)) {}
  static bool Prepare(bpf_object* object, const BpfLoadRequest& request, BpfLoadFailure* failure);

  Handle handle_;
};

}  // namespace sluice
