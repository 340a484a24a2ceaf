// Maps by descriptor, without any of Node's types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

struct MapShape {
  uint32_t type = 0;
  uint32_t id = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  uint32_t flags = 0;
  // What bpf(2) copies for one value: for per-CPU maps the values of all possible CPUs, each
  // rounded up to 8.
  size_t copied_value_size = 0;
};

// 0 or -errno.
int ReadMapShape(int fd, MapShape* shape);

struct MapEntries {
  std::vector<uint8_t> keys;
  std::vector<uint8_t> values;
  size_t count = 0;
};

// All entries; those that come or go meanwhile may be seen or not. 0 or -errno.
int DumpMap(int fd, MapEntries* entries);

// Length in bytes of what mmap(2) shows of an array with these numbers.
size_t MmapableSize(const MapShape& shape);

}  // namespace sluice
