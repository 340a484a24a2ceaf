// A keeper inside the test, and a proxy that speaks to it: both in one thread, step by step.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <poll.h>

#include <atomic>
#include <string>

#include "keeper/keeper.h"
#include "test/check.h"
#include "unix/messages.h"

namespace sluice {

// A directory that is gone at the end, for the keeper's socket.
class TempDir {
 public:
  TempDir() { CHECK(mkdtemp(path_.data()) != nullptr); }
  ~TempDir() { rmdir(path_.c_str()); }
  std::string Socket() const { return path_ + "/keeper.sock"; }

 private:
  std::string path_ = "/tmp/sluice-keeper-test-XXXXXX";
};

// The maps that the kernel would share, as plain memory.
class FakeMaps {
 public:
  static constexpr uint32_t kSlots = 8;

  FakeMaps() {
    generations_fd_.reset(memfd_create("generations", MFD_CLOEXEC));
    control_fd_.reset(memfd_create("control", MFD_CLOEXEC));
    CHECK_EQ(ftruncate(generations_fd_.get(), sizeof(sluice_generations)), 0);
    CHECK_EQ(ftruncate(control_fd_.get(), sizeof(sluice_pair_control) * kSlots), 0);
    CHECK_EQ(maps.OpenMemory(generations_fd_.get(), control_fd_.get(), kSlots), 0);
    CHECK_EQ(memory_.Map(generations_fd_.get(), sizeof(sluice_generations)), 0);
  }

  // So long ago.
  void Beat(uint64_t age_ms) {
    static_cast<sluice_generations*>(memory_.get())->beat_ns[0] =
        MonotonicNs() - age_ms * 1'000'000;
  }

  KernelMaps maps;

 private:
  UniqueFd generations_fd_;
  UniqueFd control_fd_;
  SharedMemory memory_;
};

struct Reply {
  KeeperHeader header = {};
  std::vector<uint8_t> body;
  std::vector<UniqueFd> fds;
};

class TestProxy {
 public:
  explicit TestProxy(const std::string& path) : fd_(ConnectUnix(path)) { CHECK(fd_.valid()); }

  void Send(int type, const std::vector<uint8_t>& body, const std::vector<int>& fds = {}) {
    const KeeperHeader header = {kKeeperMagic, kKeeperProtocol, static_cast<uint16_t>(type),
                                 ++request_, 0};
    std::vector<uint8_t> bytes;
    Append(bytes, header);
    AppendBytes(bytes, body.data(), body.size());
    SendRaw(bytes, fds);
  }

  void SendRaw(const std::vector<uint8_t>& bytes, const std::vector<int>& fds) {
    SendMessage(fd_.get(), bytes.data(), bytes.size(), fds);
  }

  // False when nothing is there. A closed connection is a reply with type 0.
  bool TryReceive(Reply* reply) {
    std::vector<uint8_t> bytes(kMaxMessageBytes);
    ReceivedMessage message;
    const int error = ReceiveMessage(fd_.get(), bytes.data(), bytes.size(), 253, &message);
    if (error == -EAGAIN) return false;
    *reply = Reply();
    if (error != 0 || message.size < sizeof(KeeperHeader)) return true;
    memcpy(&reply->header, bytes.data(), sizeof(KeeperHeader));
    reply->body.assign(bytes.begin() + sizeof(KeeperHeader),
                       bytes.begin() + static_cast<ptrdiff_t>(message.size));
    reply->fds = std::move(message.fds);
    return true;
  }

  // The keeper works until the next message is there.
  Reply Receive(Keeper& keeper) {
    Reply reply;
    for (int i = 0; i < 2000 && !TryReceive(&reply); i++) {
      CHECK(i < 1999);
      keeper.RunOnce();
    }
    return reply;
  }

  Reply Ask(Keeper& keeper, int type, const std::vector<uint8_t>& body,
            const std::vector<int>& fds = {}) {
    Send(type, body, fds);
    return Receive(keeper);
  }

  Reply Hello(Keeper& keeper) {
    std::vector<uint8_t> body;
    Append(body, KeeperHello{0, kKeeperVersion});
    return Ask(keeper, kMessageHello, body);
  }

 private:
  UniqueFd fd_;
  uint32_t request_ = 0;
};

// A TCP connection over loopback: both ends, non-blocking.
struct TcpPair {
  UniqueFd near;
  UniqueFd far;
};

inline TcpPair ConnectTcp() {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHECK_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  CHECK_EQ(listen(listener.get(), 8), 0);
  CHECK_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  TcpPair pair;
  pair.near.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  connect(pair.near.get(), reinterpret_cast<sockaddr*>(&address), size);
  pair.far.reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  CHECK(pair.far.valid());
  return pair;
}

inline uint64_t Cookie(const UniqueFd& fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  CHECK_EQ(getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  return cookie;
}

}  // namespace sluice
