#include "test/reactor_kernel_maps.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "test/check.h"

namespace sluice::test {

namespace {

UniqueFd NewMap(bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
                uint32_t flags = 0) {
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = flags;
  const int fd = bpf_map_create(type, "sluice_test", key, value, entries, &options);
  if (fd < 0) fprintf(stderr, "bpf_map_create: %s (needs root)\n", strerror(-fd));
  CHECK(fd >= 0);
  return UniqueFd(fd);
}

// Socket storage is only to be had with BTF of its key and value.
UniqueFd NewSocketStorage(uint32_t value) {
  btf* types = btf__new_empty();
  const int number = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
  const int content = btf__add_struct(types, "content", value);
  for (uint32_t at = 0; at < value; at += 4) {
    const char name[] = {'w', static_cast<char>('a' + at / 4), '\0'};
    CHECK_EQ(btf__add_field(types, name, number, at * 8, 0), 0);
  }
  CHECK_EQ(btf__load_into_kernel(types), 0);
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = BPF_F_NO_PREALLOC;
  options.btf_fd = static_cast<uint32_t>(btf__fd(types));
  options.btf_key_type_id = static_cast<uint32_t>(number);
  options.btf_value_type_id = static_cast<uint32_t>(content);
  const int fd = bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "sluice_test", 4, value, 0, &options);
  btf__free(types);
  CHECK(fd >= 0);
  return UniqueFd(fd);
}

bpf_insn Instruction(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm) {
  bpf_insn instruction{};
  instruction.code = code;
  instruction.dst_reg = static_cast<uint8_t>(dst & 0xf);
  instruction.src_reg = static_cast<uint8_t>(src & 0xf);
  instruction.off = off;
  instruction.imm = imm;
  return instruction;
}

// As query_queue: queued_bytes = queued[0], found = 1.
UniqueFd NewQueueProgram(int queued_map) {
  const bpf_insn program[] = {
      Instruction(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
      Instruction(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
      Instruction(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, queued_map),
      Instruction(0, 0, 0, 0, 0),
      Instruction(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
      Instruction(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
      Instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
      Instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3, 0),
      Instruction(BPF_LDX | BPF_MEM | BPF_DW, 7, 0, 0, 0),
      Instruction(BPF_STX | BPF_MEM | BPF_DW, 6, 7, offsetof(sluice_queue_query, queued_bytes), 0),
      Instruction(BPF_ST | BPF_MEM | BPF_W, 6, 0, offsetof(sluice_queue_query, found), 1),
      Instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
      Instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };
  bpf_prog_load_opts options{};
  options.sz = sizeof options;
  options.prog_flags = BPF_F_SLEEPABLE;
  const int fd = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "sluice_test", "GPL", program,
                               std::size(program), &options);
  if (fd < 0) fprintf(stderr, "bpf_prog_load: %s\n", strerror(-fd));
  CHECK(fd >= 0);
  return UniqueFd(fd);
}

template <typename Key, typename Value>
void Put(int map, const Key& key, const Value& value) {
  CHECK_EQ(bpf_map_update_elem(map, &key, &value, BPF_ANY), 0);
}

}  // namespace

TestMaps::TestMaps()
    : origins_(NewMap(BPF_MAP_TYPE_HASH, sizeof(sluice_flow), sizeof(sluice_origin), 128)),
      leg_intents_(NewSocketStorage(sizeof(sluice_leg))),
      sock_info_(NewMap(BPF_MAP_TYPE_HASH, 8, sizeof(sluice_sock), 128)),
      pairs_(NewMap(BPF_MAP_TYPE_HASH, 8, sizeof(sluice_pair), 128)),
      pair_control_(
          NewMap(BPF_MAP_TYPE_ARRAY, 4, sizeof(sluice_pair_control), kSlots, BPF_F_MMAPABLE)),
      pair_stats_(NewMap(BPF_MAP_TYPE_ARRAY, 4, sizeof(sluice_pair_stats), kSlots, BPF_F_MMAPABLE)),
      queued_(NewMap(BPF_MAP_TYPE_ARRAY, 4, 8, 1)),
      program_(NewQueueProgram(queued_.get())) {}

KernelMapFds TestMaps::fds() const {
  return {origins_.get(),      leg_intents_.get(), sock_info_.get(), pairs_.get(),
          pair_control_.get(), pair_stats_.get(),  program_.get()};
}

void TestMaps::SetOrigin(const SocketAddress& local, const SocketAddress& remote,
                         const sluice_origin& origin) {
  Put(origins_.get(), sluice_flow{local.addr, remote.addr, local.port, remote.port}, origin);
}

void TestMaps::SetPeer(uint64_t cookie, uint64_t peer_cookie) {
  sluice_sock sock{};
  sock.peer_cookie = peer_cookie;
  Put(sock_info_.get(), cookie, sock);
}

void TestMaps::SetStats(int32_t slot, const sluice_pair_stats& stats) {
  Put(pair_stats_.get(), slot, stats);
}

void TestMaps::SetQueued(uint64_t bytes) { Put(queued_.get(), uint32_t{0}, bytes); }

bool TestMaps::Pair(uint64_t cookie, sluice_pair* pair) const {
  return bpf_map_lookup_elem(pairs_.get(), &cookie, pair) == 0;
}

sluice_pair_control TestMaps::Control(int32_t slot) const {
  sluice_pair_control control{};
  CHECK_EQ(bpf_map_lookup_elem(pair_control_.get(), &slot, &control), 0);
  return control;
}

bool TestMaps::LegIntent(int fd, sluice_leg* leg) const {
  return bpf_map_lookup_elem(leg_intents_.get(), &fd, leg) == 0;
}

}  // namespace sluice::test
