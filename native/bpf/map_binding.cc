// Entries of maps: one by one, in batches, as a whole, and as mapped memory.
#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/args.h"
#include "bpf/register.h"
#include "bpf/map.h"

namespace sluice {
namespace {

// A buffer shorter than the kernel's copy would be written past its end, so sizes are asked of the
// kernel at every call (a microsecond; the data path's own accesses are in the reactor and have
// fixed types).
bool CheckSizes(Napi::Env env, const char* function, int fd, const Bytes* key, const Bytes* value,
                size_t count, MapShape* shape) {
  const int error = ReadMapShape(fd, shape);
  if (error != 0) {
    ThrowErrno(env, -error, std::string(function) + ": map descriptor " + std::to_string(fd));
    return false;
  }
  const auto wrong = [&](const char* what, size_t has, size_t needs) {
    Napi::RangeError::New(env, std::string(function) + ": " + what + " has " + std::to_string(has) +
                                   " bytes, the map needs " + std::to_string(needs))
        .ThrowAsJavaScriptException();
    return false;
  };
  if (key != nullptr && key->size != shape->key_size * count)
    return wrong("key", key->size, shape->key_size * count);
  if (value != nullptr && value->size != shape->copied_value_size * count)
    return wrong("value", value->size, shape->copied_value_size * count);
  return true;
}

Napi::Value Result(Napi::Env env, int result) {
  return Napi::Number::New(env, result == 0 ? 0 : -errno);
}

Napi::Value MapInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfMapInfo");
  const int fd = args.Fd(0);
  MapShape shape;
  if (!args.ok() || !CheckSizes(env, "bpfMapInfo", fd, nullptr, nullptr, 0, &shape)) {
    return env.Undefined();
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", Napi::Number::New(env, shape.type));
  object.Set("id", Napi::Number::New(env, shape.id));
  object.Set("keySize", Napi::Number::New(env, shape.key_size));
  object.Set("valueSize", Napi::Number::New(env, shape.value_size));
  object.Set("copiedValueSize",
             Napi::Number::New(env, static_cast<double>(shape.copied_value_size)));
  object.Set("maxEntries", Napi::Number::New(env, shape.max_entries));
  object.Set("flags", Napi::Number::New(env, shape.flags));
  return object;
}

Napi::Value Lookup(const Napi::CallbackInfo& info) {
  Args args(info, "bpfMapLookup");
  const int fd = args.Fd(0);
  const Bytes key = args.Uint8Array(1);
  const Bytes value = args.Uint8Array(2);
  MapShape shape;
  if (!args.ok() || !CheckSizes(info.Env(), "bpfMapLookup", fd, &key, &value, 1, &shape)) {
    return info.Env().Undefined();
  }
  return Result(info.Env(), bpf_map_lookup_elem(fd, key.data, value.data));
}

Napi::Value Update(const Napi::CallbackInfo& info) {
  Args args(info, "bpfMapUpdate");
  const int fd = args.Fd(0);
  const Bytes key = args.Uint8Array(1);
  const Bytes value = args.Uint8Array(2);
  const int flags = args.Int(3);
  MapShape shape;
  if (!args.ok() || !CheckSizes(info.Env(), "bpfMapUpdate", fd, &key, &value, 1, &shape)) {
    return info.Env().Undefined();
  }
  return Result(info.Env(),
                bpf_map_update_elem(fd, key.data, value.data, static_cast<uint64_t>(flags)));
}

Napi::Value Delete(const Napi::CallbackInfo& info) {
  Args args(info, "bpfMapDelete");
  const int fd = args.Fd(0);
  const Bytes key = args.Uint8Array(1);
  MapShape shape;
  if (!args.ok() || !CheckSizes(info.Env(), "bpfMapDelete", fd, &key, nullptr, 1, &shape)) {
    return info.Env().Undefined();
  }
  return Result(info.Env(), bpf_map_delete_elem(fd, key.data));
}

// One by one where the kernel has no batch operation for this type; stops at the first error.
Napi::Value UpdateBatch(const Napi::CallbackInfo& info) {
  Args args(info, "bpfMapUpdateBatch");
  const int fd = args.Fd(0);
  const Bytes keys = args.Uint8Array(1);
  const Bytes values = args.Uint8Array(2);
  const int count = args.Int(3);
  MapShape shape;
  if (!args.ok() || !CheckSizes(info.Env(), "bpfMapUpdateBatch", fd, &keys, &values,
                                static_cast<size_t>(count), &shape)) {
    return info.Env().Undefined();
  }
  if (count == 0) return Napi::Number::New(info.Env(), 0);
  uint32_t done = static_cast<uint32_t>(count);
  int result = bpf_map_update_batch(fd, keys.data, values.data, &done, nullptr);
  if (result != 0 && (errno == 524 || errno == EINVAL || errno == EOPNOTSUPP)) {
    result = 0;
    for (size_t i = 0; i < static_cast<size_t>(count) && result == 0; i++) {
      result = bpf_map_update_elem(fd, keys.data + i * shape.key_size,
                                   values.data + i * shape.copied_value_size, BPF_ANY);
    }
  }
  return Result(info.Env(), result);
}

Napi::Value Dump(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfMapDump");
  const int fd = args.Fd(0);
  if (!args.ok()) return env.Undefined();
  MapEntries entries;
  const int error = DumpMap(fd, &entries);
  if (error != 0)
    return ThrowErrno(env, -error, "cannot read map descriptor " + std::to_string(fd));
  const auto copy = [&](const std::vector<uint8_t>& bytes) {
    Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
    if (!bytes.empty()) memcpy(array.Data(), bytes.data(), bytes.size());
    return array;
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("keys", copy(entries.keys));
  object.Set("values", copy(entries.values));
  object.Set("count", Napi::Number::New(env, static_cast<double>(entries.count)));
  return object;
}

Napi::Value Mmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "bpfMapMmap");
  const int fd = args.Fd(0);
  MapShape shape;
  if (!args.ok() || !CheckSizes(env, "bpfMapMmap", fd, nullptr, nullptr, 0, &shape)) {
    return env.Undefined();
  }
  const size_t size = MmapableSize(shape);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    return ThrowErrno(env, errno,
                      "cannot map descriptor " + std::to_string(fd) +
                          " into memory (an array with BPF_F_MMAPABLE?)");
  }
  const auto unmap = [size](Napi::Env, void* data) { munmap(data, size); };
  return Napi::ArrayBuffer::New(env, memory, size, unmap);
}

}  // namespace

void RegisterBpfMaps(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfMapInfo", Napi::Function::New(env, MapInfo, "bpfMapInfo"));
  exports.Set("bpfMapLookup", Napi::Function::New(env, Lookup, "bpfMapLookup"));
  exports.Set("bpfMapUpdate", Napi::Function::New(env, Update, "bpfMapUpdate"));
  exports.Set("bpfMapDelete", Napi::Function::New(env, Delete, "bpfMapDelete"));
  exports.Set("bpfMapUpdateBatch", Napi::Function::New(env, UpdateBatch, "bpfMapUpdateBatch"));
  exports.Set("bpfMapDump", Napi::Function::New(env, Dump, "bpfMapDump"));
  exports.Set("bpfMapMmap", Napi::Function::New(env, Mmap, "bpfMapMmap"));
}

}  // namespace sluice
