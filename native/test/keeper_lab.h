// A keeper, spliced connections, and proxies that put them there and die.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>

#include "keeper/parse.h"
#include "test/keeper_client.h"

namespace sluice {

struct TestKeeper {
  TempDir directory;
  FakeMaps fake;
  Keeper keeper{Options(), fake.maps};

  TestKeeper() {
    fake.Beat(0);
    CHECK(keeper.Open());
    CHECK_EQ(keeper.Serve(), 0);
  }
  KeeperOptions Options() const {
    KeeperOptions options;
    options.socket_path = directory.Socket();
    options.tick_ms = 5;
    return options;
  }
  uint64_t Stat(KeeperStat stat) { return keeper.counters()[stat]; }

  template <typename Condition>
  void Until(Condition condition) {
    for (int i = 0; i < 2000; i++) {
      if (condition()) return;
      keeper.RunOnce();
    }
    CHECK(!"the condition in time");
  }
};

inline std::vector<uint8_t> NamedPod(const std::string& uid, const std::string& alive = "",
                                     const std::string& facts = "") {
  Pod pod;
  pod.uid = uid;
  pod.alive_path = alive;
  pod.facts = facts;
  return PodBody(pod);
}

inline size_t OpenDescriptors() {
  size_t open = 0;
  for (int fd = 0; fd < 4096; fd++) open += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

// What a proxy has of a connection: the leg to the client and the leg to the server, whose other
// ends are the apps.
struct Spliced {
  TcpPair client = ConnectTcp();  // near: the app
  TcpPair server = ConnectTcp();  // near: the leg

  std::vector<uint8_t> Body(int32_t to_server = 0, int32_t to_client = 1) const {
    KeeperPair facts = {};
    facts.client_leg_cookie = Cookie(client.far);
    facts.server_leg_cookie = Cookie(server.near);
    facts.slot_to_server = to_server;
    facts.slot_to_client = to_client;
    std::vector<uint8_t> body;
    Append(body, facts);
    return body;
  }
  std::vector<int> Legs() const { return {client.far.get(), server.near.get()}; }
  int client_app() const { return client.near.get(); }
  int server_app() const { return server.far.get(); }
};

// A process that puts the pair and is gone; the legs here are closed too, so the keeper has the
// last. `keeper` works in between, so what it forwards is forwarded by a process that lives.
inline void PutAndDie(TestKeeper& test, Spliced& spliced, int32_t to_server = 0,
                      int32_t to_client = 1) {
  const std::string path = test.directory.Socket();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    TestProxy proxy(path);
    std::vector<uint8_t> hello;
    Append(hello, KeeperHello{0, kKeeperVersion});
    proxy.Send(kMessageHello, hello);
    proxy.Send(kMessagePutPair, spliced.Body(to_server, to_client), spliced.Legs());
    Reply reply;
    for (int answers = 0; answers < 2;) {
      if (proxy.TryReceive(&reply)) {
        if (reply.header.status != 0) _exit(1);
        answers++;
      }
      poll(nullptr, 0, 1);
    }
    _exit(0);
  }
  spliced.client.far.reset();
  spliced.server.near.reset();
  int status = -1;
  test.Until([&] { return waitpid(child, &status, WNOHANG) == child; });
  CHECK_EQ(status, 0);
}

inline std::string ReadSome(int fd) {
  char bytes[65536];
  const ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  return n > 0 ? std::string(bytes, static_cast<size_t>(n)) : std::string();
}

inline bool AtEnd(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

inline bool WasReset(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

}  // namespace sluice
