// What an idle connection costs in user space, counted by the allocator itself.
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "test/check.h"
#include "test/reactor_lab.h"

namespace {

std::atomic<long> live_bytes = 0;

// The size stands before the block, in a block's alignment.
constexpr size_t kHeader = alignof(std::max_align_t);

void* Allocate(size_t size) {
  auto* block = static_cast<char*>(malloc(size + kHeader));
  if (block == nullptr) abort();
  *reinterpret_cast<size_t*>(block) = size;
  live_bytes += static_cast<long>(size);
  return block + kHeader;
}

void Release(void* pointer) {
  if (pointer == nullptr) return;
  auto* block = static_cast<char*>(pointer) - kHeader;
  live_bytes -= static_cast<long>(*reinterpret_cast<size_t*>(block));
  free(block);
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* pointer) noexcept { Release(pointer); }
void operator delete[](void* pointer) noexcept { Release(pointer); }
void operator delete(void* pointer, size_t) noexcept { Release(pointer); }
void operator delete[](void* pointer, size_t) noexcept { Release(pointer); }

namespace sluice::test {
namespace {

constexpr int kConnections = 2'000;

struct Open {
  UniqueFd client;
  UniqueFd server;
};

TEST(AnIdleConnectionTakesLessThan512Bytes) {
  const UniqueFd front = ListenLoopback(AF_INET);
  const UniqueFd back = ListenLoopback(AF_INET);
  std::vector<Open> open;
  open.reserve(kConnections);
  Lab lab;
  lab.target = AddressOf(back.get());
  lab.Listen(1, front.get());
  auto connect = [&] {
    open.push_back({ConnectTo(AddressOf(front.get())), AcceptFrom(back.get())});
    SendAll(open.back().client.get(), "request", 7);
    ReceiveExactly(open.back().server.get(), 7);
    lab.Expect(kEventAccept);
    lab.Expect(kEventConnected);
  };
  connect();
  const long before = live_bytes;
  while (open.size() < kConnections) connect();
  const long each = (live_bytes - before) / (kConnections - 1);
  fprintf(stderr, "    %ld bytes a connection\n", each);
  CHECK(each > 0);
  CHECK(each <= 512);
  open.clear();
  lab.ExpectIdle();
  CHECK_EQ(lab.ReadStats().bufferedBytes, 0u);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
