#include "bpf/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

constexpr int kNotSupported = 524;  // the kernel's ENOTSUPP, for maps without batch operations
constexpr uint32_t kBatchEntries = 4096;

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

size_t RoundUp8(size_t size) { return (size + 7) & ~size_t{7}; }

// Batched: a hash is walked bucket by bucket, so deletions elsewhere do not disturb the walk.
int DumpBatched(int fd, const MapShape& shape, MapEntries* out) {
  std::vector<uint8_t> cursor(std::max<size_t>(shape.key_size, sizeof(uint32_t)));
  std::vector<uint8_t> next_cursor(cursor.size());
  uint32_t room = std::min(kBatchEntries, shape.max_entries);
  bool first = true;
  for (;;) {
    out->keys.resize((out->count + room) * shape.key_size);
    out->values.resize((out->count + room) * shape.copied_value_size);
    uint32_t count = room;
    const int result = bpf_map_lookup_batch(
        fd, first ? nullptr : cursor.data(), next_cursor.data(),
        out->keys.data() + out->count * shape.key_size,
        out->values.data() + out->count * shape.copied_value_size, &count, nullptr);
    const int error = result == 0 ? 0 : errno;
    if (error == ENOSPC) {  // one bucket holds more than there is room for
      if (room > shape.max_entries) return -ENOSPC;
      room *= 2;
      continue;
    }
    if (error != 0 && error != ENOENT) return -error;
    out->count += count;
    if (error == ENOENT) return 0;
    cursor.swap(next_cursor);
    first = false;
  }
}

int DumpOneByOne(int fd, const MapShape& shape, MapEntries* out) {
  std::vector<uint8_t> key(shape.key_size);
  std::vector<uint8_t> next(shape.key_size);
  std::vector<uint8_t> value(shape.copied_value_size);
  bool first = true;
  // A deleted key sends the walk back to the start, so it needs a bound of its own.
  for (uint64_t steps = 0; steps < uint64_t{shape.max_entries} * 2; steps++) {
    if (bpf_map_get_next_key(fd, first ? nullptr : key.data(), next.data()) != 0) {
      return errno == ENOENT ? 0 : -errno;
    }
    first = false;
    key = next;
    if (bpf_map_lookup_elem(fd, key.data(), value.data()) != 0) {
      if (errno == ENOENT) continue;
      return -errno;
    }
    out->keys.insert(out->keys.end(), key.begin(), key.end());
    out->values.insert(out->values.end(), value.begin(), value.end());
    out->count++;
  }
  return 0;
}

}  // namespace

int ReadMapShape(int fd, MapShape* shape) {
  bpf_map_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return -errno;
  *shape = {info.type,        info.id,        info.key_size,  info.value_size,
            info.max_entries, info.map_flags, info.value_size};
  if (IsPerCpu(info.type)) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) return cpus;
    shape->copied_value_size = RoundUp8(info.value_size) * static_cast<size_t>(cpus);
  }
  return 0;
}

int DumpMap(int fd, MapEntries* entries) {
  MapShape shape;
  int error = ReadMapShape(fd, &shape);
  if (error != 0) return error;
  error = DumpBatched(fd, shape, entries);
  if (error == -kNotSupported || error == -EINVAL || error == -EOPNOTSUPP) {
    *entries = MapEntries();
    error = DumpOneByOne(fd, shape, entries);
  }
  entries->keys.resize(entries->count * shape.key_size);
  entries->values.resize(entries->count * shape.copied_value_size);
  return error;
}

size_t MmapableSize(const MapShape& shape) {
  return RoundUp8(shape.value_size) * shape.max_entries;
}

}  // namespace sluice
