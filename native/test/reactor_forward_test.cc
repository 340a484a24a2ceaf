// Forwarding between real sockets on loopback: who speaks first, how it ends, what is written how.
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>

#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

// A listener of the reactor, a server behind it, and one connection through both.
struct Path {
  explicit Path(int family = AF_INET, const LabOptions& options = {})
      : lab(options), front(ListenLoopback(family)), back(ListenLoopback(family)) {
    lab.target = AddressOf(back.get());
    lab.Listen(1, front.get());
  }
  void Open(int client_receive_buffer = 0) {
    client = ConnectTo(AddressOf(front.get()), client_receive_buffer);
    server = AcceptFrom(back.get());
  }
  EventRecord Done() { return lab.Expect(kEventDone); }

  Lab lab;
  UniqueFd front;
  UniqueFd back;
  UniqueFd client;
  UniqueFd server;
};

TEST(ClientFirst) {
  Path path;
  path.client = ConnectTo(AddressOf(path.front.get()));
  SendAll(path.client.get(), "hello", 5);
  path.server = AcceptFrom(path.back.get());
  CHECK(ReceiveExactly(path.server.get(), 5) == "hello");
  SendAll(path.server.get(), "world!", 6);
  CHECK(ReceiveExactly(path.client.get(), 6) == "world!");
  path.client.reset();
  CHECK(ReceiveToEnd(path.server.get()).empty());
  path.server.reset();
  const EventRecord done = path.Done();
  CHECK_EQ(done.words[kDoneReason], kDoneClosed);
  CHECK_EQ(done.U64(kDoneReceived), 5u);
  CHECK_EQ(done.U64(kDoneSent), 6u);
}

TEST(ServerFirst) {
  Path path(AF_INET6);
  path.Open();
  SendAll(path.server.get(), "220 ready", 9);
  CHECK(ReceiveExactly(path.client.get(), 9) == "220 ready");
  const EventRecord accept = path.lab.Expect(kEventAccept);
  CHECK_EQ(accept.words[kAcceptFlags], kAcceptIpv6);
  CHECK_EQ(accept.words[kAcceptPeerPort], AddressOf(path.client.get()).port);
}

TEST(BothAtOnce) {
  Path path;
  path.Open();
  const std::string large(3 << 20, 'x');
  std::thread other([&] { SendAll(path.server.get(), large.data(), large.size()); });
  std::thread reader([&] { CHECK(ReceiveExactly(path.server.get(), large.size()) == large); });
  std::thread back([&] { CHECK(ReceiveExactly(path.client.get(), large.size()) == large); });
  SendAll(path.client.get(), large.data(), large.size());
  other.join();
  reader.join();
  back.join();
}

TEST(HalfCloseClientFirst) {
  Path path;
  path.Open();
  SendAll(path.client.get(), "request", 7);
  shutdown(path.client.get(), SHUT_WR);
  CHECK(ReceiveToEnd(path.server.get()) == "request");
  SendAll(path.server.get(), "late answer", 11);
  CHECK(ReceiveExactly(path.client.get(), 11) == "late answer");
  shutdown(path.server.get(), SHUT_WR);
  CHECK(ReceiveToEnd(path.client.get()).empty());
  CHECK_EQ(path.Done().words[kDoneReason], kDoneClosed);
}

TEST(HalfCloseServerFirst) {
  Path path;
  path.Open();
  SendAll(path.server.get(), "greeting", 8);
  shutdown(path.server.get(), SHUT_WR);
  CHECK(ReceiveToEnd(path.client.get()) == "greeting");
  SendAll(path.client.get(), "more", 4);
  CHECK(ReceiveExactly(path.server.get(), 4) == "more");
  shutdown(path.client.get(), SHUT_WR);
  CHECK(ReceiveToEnd(path.server.get()).empty());
  CHECK_EQ(path.Done().words[kDoneReason], kDoneClosed);
}

TEST(FinBeforeTheServerIsConnected) {
  Path path;
  path.lab.Do([&] { path.lab.sockets().SetReady(0); });
  path.client = ConnectTo(AddressOf(path.front.get()));
  SendAll(path.client.get(), "all I have", 10);
  shutdown(path.client.get(), SHUT_WR);
  path.lab.Expect(kEventAccept);
  path.lab.Do([&] {
    path.lab.sockets().SetReady(-1);
    path.lab.sockets().Notify({1, false, 0});
  });
  path.server = AcceptFrom(path.back.get());
  CHECK(ReceiveToEnd(path.server.get()) == "all I have");
  SendAll(path.server.get(), "fine", 4);
  path.server.reset();
  CHECK(ReceiveToEnd(path.client.get()) == "fine");
}

TEST(ResetByClient) {
  Path path;
  path.Open();
  path.lab.Expect(kEventConnected);
  SetLingerZero(path.client.get());
  path.client.reset();
  int error = 0;
  ReceiveToEnd(path.server.get(), &error);
  CHECK_EQ(error, ECONNRESET);
  const EventRecord done = path.Done();
  CHECK_EQ(done.words[kDoneReason], kDoneClientReset);
  CHECK_EQ(done.words[kDoneErrno], ECONNRESET);
}

TEST(ResetByServer) {
  Path path;
  path.Open();
  SendAll(path.server.get(), "last words", 10);
  CHECK(ReceiveExactly(path.client.get(), 10) == "last words");
  SetLingerZero(path.server.get());
  path.server.reset();
  int error = 0;
  ReceiveToEnd(path.client.get(), &error);
  CHECK_EQ(error, ECONNRESET);
  CHECK_EQ(path.Done().words[kDoneReason], kDoneServerReset);
}

// The client does not read, so the server's bytes stand in the reactor when the client's reset
// comes.
TEST(ResetWhileBlocked) {
  Path path;
  path.Open(4096);
  const std::string chunk(65536, 'y');
  const timeval soon{0, 200'000};
  setsockopt(path.server.get(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
  while (send(path.server.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL) > 0) {
  }
  CHECK(path.lab.ReadStats().bufferedBytes > 0);
  SetLingerZero(path.client.get());
  path.client.reset();
  CHECK_EQ(path.Done().words[kDoneReason], kDoneClientReset);
  WaitUntil("the reset to reach the server",
            [&] { return send(path.server.get(), "z", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN; });
  CHECK_EQ(path.lab.ReadStats().bufferedBytes, 0u);
}

TEST(ClientGoesAwayBeforeTheDecision) {
  Path path;
  path.lab.Do([&] { path.lab.on_accept = [](const EventRecord&) {}; });
  path.client = ConnectTo(AddressOf(path.front.get()));
  path.lab.Expect(kEventAccept);
  SetLingerZero(path.client.get());
  path.client.reset();
  CHECK_EQ(path.Done().words[kDoneReason], kDoneClientReset);
}

TEST(ClientGoesAwayWhileConnecting) {
  Path path;
  // A backlog that is full swallows the SYN, so the connect stays open.
  const UniqueFd full = ListenLoopback(AF_INET, 0);
  const UniqueFd filler = ConnectTo(AddressOf(full.get()));
  path.lab.Do([&] { path.lab.target = AddressOf(full.get()); });
  path.client = ConnectTo(AddressOf(path.front.get()));
  path.lab.Expect(kEventAccept);
  SetLingerZero(path.client.get());
  path.client.reset();
  CHECK_EQ(path.Done().words[kDoneReason], kDoneClientReset);
}

TEST(WritevAndSendfile) {
  Path path;
  path.Open();
  char a[] = "one", b[] = "two", c[] = "three";
  const iovec parts[] = {{a, 3}, {b, 3}, {c, 5}};
  CHECK_EQ(writev(path.client.get(), parts, 3), 11);
  CHECK(ReceiveExactly(path.server.get(), 11) == "onetwothree");
  FILE* file = tmpfile();
  const std::string content(5'000'000, 's');
  CHECK_EQ(fwrite(content.data(), 1, content.size(), file), content.size());
  fflush(file);
  std::thread sender([&] {
    off_t offset = 0;
    while (offset < static_cast<off_t>(content.size())) {
      CHECK(sendfile(path.client.get(), fileno(file), &offset, content.size()) > 0);
    }
  });
  CHECK(ReceiveExactly(path.server.get(), content.size()) == content);
  sender.join();
  fclose(file);
}

TEST(TinyWrites) {
  Path path;
  path.Open();
  std::string sent;
  std::thread sender([&] {
    for (int i = 0; i < 20'000; i++) {
      const char byte = static_cast<char>(i * 7);
      SendAll(path.client.get(), &byte, 1);
    }
    shutdown(path.client.get(), SHUT_WR);
  });
  const std::string received = ReceiveToEnd(path.server.get());
  sender.join();
  CHECK_EQ(received.size(), 20'000u);
  for (size_t i = 0; i < received.size(); i++) CHECK_EQ(received[i], static_cast<char>(i * 7));
}

// Neither end's speed is the other's: what a slow reader cannot take is not read from the writer.
TEST(SlowReaderGetsEverything) {
  Path path;
  path.Open(16'384);
  const Pattern pattern(42);
  constexpr size_t kBytes = 24 << 20;
  std::thread sender([&] {
    std::vector<uint8_t> chunk(100'003);
    for (size_t at = 0; at < kBytes; at += chunk.size()) {
      const size_t size = std::min(chunk.size(), kBytes - at);
      pattern.Fill(chunk.data(), size, at);
      SendAll(path.server.get(), chunk.data(), size);
    }
    shutdown(path.server.get(), SHUT_WR);
  });
  std::vector<uint8_t> buffer(30'011);
  Random random(7);
  size_t have = 0;
  uint64_t most_buffered = 0;
  for (;;) {
    const ssize_t received =
        recv(path.client.get(), buffer.data(), 1 + random.Below(buffer.size()), 0);
    CHECK(received >= 0);
    if (received == 0) break;
    CHECK_EQ(pattern.Check(buffer.data(), static_cast<size_t>(received), have), -1);
    have += static_cast<size_t>(received);
    if (random.Below(64) == 0)
      most_buffered = std::max(most_buffered, path.lab.ReadStats().bufferedBytes);
  }
  sender.join();
  CHECK_EQ(have, kBytes);
  CHECK(most_buffered <= 256 * 1024);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
