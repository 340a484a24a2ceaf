// Two reactors on two threads share a listener: thousands of connections with random sizes both
// ways, checked byte by byte, with slow readers and every way to end.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

// The first bytes of a connection: what each side is to send, and where the patterns start.
struct Plan {
  uint64_t seed;
  uint64_t client_bytes;
  uint64_t server_bytes;
  uint32_t slow;     // the reader of the server's bytes takes little at a time
  uint32_t abandon;  // the client resets half-way
};

// Mostly small, some of many times the buffers in between.
uint64_t RandomSize(Random& random) {
  switch (random.Below(16)) {
    case 0: return 0;
    case 1: return 1 + random.Below(3 << 20);
    case 2: return 262'144 - 2 + random.Below(5);
    default: return random.Below(1 << (4 + random.Below(13)));
  }
}

void SendPattern(int fd, const Pattern& pattern, uint64_t bytes, Random& random) {
  std::vector<uint8_t> chunk(65'536);
  for (uint64_t at = 0; at < bytes;) {
    const size_t size = std::min<uint64_t>(1 + random.Below(chunk.size()), bytes - at);
    pattern.Fill(chunk.data(), size, at);
    SendAll(fd, chunk.data(), size);
    at += size;
  }
  shutdown(fd, SHUT_WR);
}

// False: it was reset.
bool ReceivePattern(int fd, const Pattern& pattern, uint64_t bytes, bool slow, Random& random) {
  std::vector<uint8_t> chunk(slow ? 1'024 : 65'536);
  uint64_t at = 0;
  for (;;) {
    const ssize_t received = recv(fd, chunk.data(), 1 + random.Below(chunk.size()), 0);
    if (received < 0 && errno == ECONNRESET) return false;
    CHECK(received >= 0);
    if (received == 0) break;
    CHECK_EQ(pattern.Check(chunk.data(), static_cast<size_t>(received), at), -1);
    at += static_cast<uint64_t>(received);
  }
  CHECK_EQ(at, bytes);
  return true;
}

void ServeOne(UniqueFd fd) {
  Plan plan;
  size_t have = 0;
  while (have < sizeof plan) {
    const ssize_t received =
        recv(fd.get(), reinterpret_cast<char*>(&plan) + have, sizeof plan - have, 0);
    if (received <= 0) return;  // abandoned before it began
    have += static_cast<size_t>(received);
  }
  Random random(plan.seed ^ 0x5e4f);
  std::thread sender([&] {
    if (plan.abandon != 0) return;
    Random own(plan.seed);
    SendPattern(fd.get(), Pattern(plan.seed + 1), plan.server_bytes, own);
  });
  ReceivePattern(fd.get(), Pattern(plan.seed), plan.client_bytes, false, random);
  sender.join();
}

class Server {
 public:
  Server(int listener, int threads) : listener_(listener) {
    for (int i = 0; i < threads; i++) threads_.emplace_back([this] { Run(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Run() {
    for (;;) {
      UniqueFd fd(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
      if (fd.valid()) {
        ServeOne(std::move(fd));
      } else if (errno != EAGAIN && errno != EINTR) {
        return;
      }
    }
  }
  int listener_;
  std::vector<std::thread> threads_;
};

void RunClient(const SocketAddress& to, uint64_t seed, int connections,
               std::atomic<uint64_t>* bytes, std::atomic<int>* abandoned) {
  Random random(seed);
  for (int i = 0; i < connections; i++) {
    Plan plan{random.Next(), RandomSize(random), RandomSize(random),
              random.Below(64) == 0 ? 1u : 0u, random.Below(16) == 0 ? 1u : 0u};
    // More than all socket buffers in between hold, so that the reactor has to wait for this
    // reader.
    if (plan.slow != 0) plan.server_bytes += 8 << 20;
    const UniqueFd fd = ConnectTo(to, plan.slow != 0 ? 8'192 : 0);
    SendAll(fd.get(), &plan, sizeof plan);
    Random own(plan.seed);
    if (plan.abandon != 0) {
      plan.client_bytes = std::min<uint64_t>(plan.client_bytes, 10'000);
      std::vector<uint8_t> some(plan.client_bytes);
      Pattern(plan.seed).Fill(some.data(), some.size(), 0);
      SendAll(fd.get(), some.data(), some.size());
      SetLingerZero(fd.get());
      ++*abandoned;
      continue;
    }
    std::thread sender([&] {
      Random its_own(plan.seed ^ 0xc11e);
      SendPattern(fd.get(), Pattern(plan.seed), plan.client_bytes, its_own);
    });
    CHECK(ReceivePattern(fd.get(), Pattern(plan.seed + 1), plan.server_bytes, plan.slow != 0, own));
    sender.join();
    *bytes += sizeof plan + plan.client_bytes + plan.server_bytes;
  }
}

// SLUICE_STRESS_CONNECTIONS raises it for long runs.
int Connections() {
  const char* given = getenv("SLUICE_STRESS_CONNECTIONS");
  return given != nullptr ? atoi(given) : 1'000;
}

TEST(NoByteIsLostOrMisplaced) {
  const UniqueFd front = ListenLoopback(AF_INET);
  const UniqueFd back = ListenLoopback(AF_INET);
  std::atomic<uint64_t> bytes = 0;
  std::atomic<int> abandoned = 0;
  const int connections = Connections();
  Lab first, second;
  for (Lab* lab : {&first, &second}) {
    lab->target = AddressOf(back.get());
    lab->Listen(1, front.get());
  }
  {
    const Server server(back.get(), 8);
    std::vector<std::thread> clients;
    for (uint64_t i = 0; i < 4; i++) {
      clients.emplace_back(
          [&, i] { RunClient(AddressOf(front.get()), i, connections / 4, &bytes, &abandoned); });
    }
    for (std::thread& client : clients) client.join();
    first.ExpectIdle();
    second.ExpectIdle();
  }
  const Stats a = first.ReadStats(), b = second.ReadStats();
  CHECK_EQ(a.accepted + b.accepted, static_cast<uint64_t>(connections / 4 * 4));
  CHECK(a.accepted > 0 && b.accepted > 0);
  CHECK(a.bytesFromClients + a.bytesFromServers + b.bytesFromClients + b.bytesFromServers >= bytes);
  CHECK(a.leftovers + b.leftovers > 0);
  CHECK_EQ(a.bufferedBytes + b.bufferedBytes, 0u);
  size_t done = 0;
  int closed = 0, reset = 0;
  for (Lab* lab : {&first, &second}) {
    for (size_t left = lab->Count(kEventDone); left > 0; left--, done++) {
      const int32_t reason = lab->Expect(kEventDone).words[kDoneReason];
      (reason == kDoneClosed ? closed : reset)++;
      CHECK(reason == kDoneClosed || reason == kDoneClientReset || reason == kDoneServerReset);
    }
  }
  CHECK_EQ(done, static_cast<size_t>(connections / 4 * 4));
  CHECK(closed >= connections / 4 * 4 - abandoned);
  fprintf(stderr,
          "    %zu connections (%d closed, %d reset), %llu MB checked, %llu + %llu accepted\n",
          done, closed, reset, static_cast<unsigned long long>(bytes >> 20),
          static_cast<unsigned long long>(a.accepted), static_cast<unsigned long long>(b.accepted));
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
