// What hostile or broken peers do to the engine: memory stays bounded, others are served.
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "test/check.h"
#include "test/http_lab.h"

namespace sluice::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
constexpr uint64_t kMostBuffered = 300 * 1024;

uint64_t Buffered(HttpLab& lab) { return lab.lab.ReadStats().bufferedBytes; }

// Sends until the other side takes no more, or `most` bytes. Returns what it took.
size_t Flood(const UniqueFd& fd, const std::string& piece, size_t most) {
  size_t sent = 0;
  while (sent < most) {
    const ssize_t taken = send(fd.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0 && errno == EAGAIN) return sent;
    if (taken < 0) return sent;
    sent += static_cast<size_t>(taken);
  }
  return sent;
}

void Serves(HttpLab& lab) {
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  SendText(server, kOk);
  CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
  client.reset();
  server.reset();
}

TEST(PipelinedFloodWaitsInTheSocket) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  std::string many;
  for (int i = 0; i < 1'000; i++) many += kGet;
  Flood(client, many, 64 << 20);
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  CHECK(Buffered(lab) <= kMostBuffered);
  // Not the second one before the first is answered.
  CHECK_EQ(lab.lab.ReadStats().httpRequests, 1u);
  for (int i = 0; i < 200; i++) {
    SendText(server, kOk);
    CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
    CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  }
  CHECK(Buffered(lab) <= kMostBuffered);
  // Its FIN would stand behind what nobody reads.
  SetLingerZero(client.get());
  client.reset();
  lab.lab.Expect(kEventDone);
  server.reset();
  Serves(lab);
}

TEST(HeadersWithoutEnd) {
  HttpLab lab;
  for (const std::string& piece : {std::string("A: b\r\n"), std::string(1'000, 'x')}) {
    UniqueFd client = lab.Open();
    SendText(client, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    Flood(client, piece, 1 << 20);
    CHECK(ReceiveToEnd(client.get()).starts_with("HTTP/1.1 431"));
    CHECK(Buffered(lab) <= kMostBuffered);
    CHECK_EQ(lab.lab.Expect(kEventRejected).words[1], kMessageTooLarge);
  }
  Serves(lab);
}

TEST(EndlessChunkExtensions) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;");
  UniqueFd server = lab.Accept();
  Flood(client, std::string(1'000, 'x'), 1 << 20);
  CHECK(ReceiveToEnd(client.get()).starts_with("HTTP/1.1 400"));
  CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[3], kMessageChunkExtension);
  CHECK(Buffered(lab) <= kMostBuffered);
}

TEST(ResponseThatNeverEnds) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(server, "HTTP/1.1 200 OK\r\n\r\n");
  // The client does not read: the server is held back, and nothing is hoarded.
  const size_t taken = Flood(server, std::string(65'536, 'x'), 256 << 20);
  CHECK(taken < 64 << 20);
  CHECK(Buffered(lab) <= kMostBuffered);
  client.reset();
  lab.lab.Expect(kEventStreamDone);
  lab.lab.ExpectIdle();
  CHECK_EQ(Buffered(lab), 0u);
}

TEST(HeadOfAResponseThatNeverEnds) {
  HttpLab lab;
  lab.fallback_status = 502;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(server, "HTTP/1.1 200 OK\r\nA: ");
  Flood(server, std::string(1'000, 'x'), 1 << 20);
  CHECK(ReceiveExactly(client.get(), 12) == "HTTP/1.1 502");
}

TEST(ManyThatSayNothing) {
  HttpLab lab;
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 300; i++) {
    slow.push_back(lab.Open(100));
    SendText(slow.back(), "GET / HT");
  }
  Serves(lab);
  for (const UniqueFd& client : slow) {
    CHECK(ReceiveToEnd(client.get()).starts_with("HTTP/1.1 408"));
  }
}

TEST(ClientsThatGoAwayAtAnyMoment) {
  HttpLab lab;
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  for (size_t cut = 0; cut <= post.size(); cut++) {
    UniqueFd client = lab.Open();
    SendText(client, post.substr(0, cut));
    if (cut % 2 == 0) SetLingerZero(client.get());
    client.reset();
    lab.lab.Expect(kEventDone);
  }
  CHECK_EQ(lab.lab.Count(kEventRequest), lab.lab.Count(kEventStreamDone));
  CHECK_EQ(Buffered(lab), 0u);
}

TEST(PolicyThatIsStuckLosesNothing) {
  LabOptions options;
  options.event_capacity = 128;
  HttpLab lab(options);
  std::vector<UniqueFd> clients;
  lab.lab.read_events = false;
  for (int i = 0; i < 40; i++) {
    clients.push_back(ConnectTo(AddressOf(lab.front.get())));
    SendText(clients.back(), kGet);
  }
  lab.lab.read_events = true;
  lab.lab.Do([] {});
  for (size_t i = 0; i < clients.size(); i++) {
    UniqueFd server = lab.Accept();
    CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
    SendText(server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  }
  for (const UniqueFd& client : clients) {
    CHECK(ReceiveExactly(client.get(), 38) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  }
}

TEST(EndpointRemovedWhileItAnswers) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  lab.lab.Do([&] { lab.lab.Command(kCommandEndpointRemove, {1}); });
  SendText(server, kOk);
  CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
  CHECK(ReceiveToEnd(server.get()).empty());
  SendText(client, kGet);
  CHECK_EQ(lab.lab.Expect(kEventReset).words[2], kAttemptNoEndpoint);
  CHECK(ReceiveExactly(client.get(), 12) == "HTTP/1.1 503");
}

TEST(OrdersThatMakeNoSenseAreCounted) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  lab.lab.on_request = nullptr;
  SendText(client, kGet);
  const int32_t stream = lab.lab.Expect(kEventRequest).words[0];
  lab.lab.Do([&] {
    lab.lab.Command(kCommandForward, {stream, 1, 1, 0, 0, 99, 0, 0, 0});   // not in the slab
    lab.lab.Command(kCommandForward, {stream, 1, 1, 0, 1 << 20, 1, 0, 0, 0});
    lab.lab.Command(kCommandRespond, {stream, 99, 0, 0, 0, 0, 0});
    lab.lab.Command(kCommandResume, {stream, 1});
    lab.lab.Command(kCommandRespond, {stream + (1 << 20), 200, 0, 0, 0, 0, 0});  // a later one
  });
  const Stats stats = lab.lab.ReadStats();
  CHECK_EQ(stats.commandErrors, 4u);
  CHECK_EQ(stats.staleCommands, 1u);
  lab.lab.Do([&] { lab.lab.Command(kCommandReset, {stream, 0}); });
  int error = 0;
  ReceiveToEnd(client.get(), &error);
  CHECK_EQ(error, ECONNRESET);
  CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[2], kStreamAborted);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
