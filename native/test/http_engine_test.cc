// Requests through the engine, between real sockets on loopback.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <tuple>

#include "test/check.h"
#include "test/http_lab.h"

namespace sluice::test {
namespace {

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

std::string Post(const std::string& body) {
  return "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST(GetAndKeepAlive) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  for (int i = 0; i < 3; i++) {
    if (i != 0) SendText(client, kGet);
    CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
    SendText(server, kOk);
    CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
    const EventRecord done = lab.lab.Expect(kEventStreamDone);
    CHECK_EQ(done.words[1], 200);
    CHECK_EQ(done.words[2], kStreamDone);
    CHECK_EQ(done.U64(6), 2u);
  }
  const Stats stats = lab.lab.ReadStats();
  CHECK_EQ(stats.httpRequests, 3u);
  CHECK_EQ(stats.httpReused, 2u);
  client.reset();
  CHECK_EQ(lab.lab.Expect(kEventDone).words[kDoneReason], kDoneClosed);
}

TEST(ByteByByteAndPipelined) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  for (const char byte : kGet) SendText(client, std::string(1, byte));
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  for (const char byte : kOk) SendText(server, std::string(1, byte));
  CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
  // Three at once: one after the other, in order.
  SendText(client, kGet + Post("body") + kGet);
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  SendText(server, "HTTP/1.1 200 A\r\nContent-Length: 0\r\n\r\n");
  CHECK(ReceiveExactly(server.get(), Post("body").size()) == Post("body"));
  SendText(server, "HTTP/1.1 200 B\r\nContent-Length: 0\r\n\r\n");
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
  SendText(server, "HTTP/1.1 200 C\r\nContent-Length: 0\r\n\r\n");
  const std::string answers = ReceiveExactly(client.get(), 3 * 37);
  CHECK(answers.find("200 A") < answers.find("200 B"));
  CHECK(answers.find("200 B") < answers.find("200 C"));
}

TEST(ChunkedBothWaysWithTrailers) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string sent = "POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n";
  SendText(client, head + "5;x=y\r\nhello\r\n");
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), sent.size() + 10) == sent + "5\r\nhello\r\n");
  SendText(client, "003\r\nabc\r\n0\r\nT: u\r\n\r\n");
  CHECK(ReceiveExactly(server.get(), 8 + 11) == "3\r\nabc\r\n0\r\nT: u\r\n\r\n");
  SendText(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
  const std::string answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n";
  CHECK(ReceiveExactly(client.get(), answer.size()) == answer);
  SendText(server, "cd\r\n0\r\nV: w\r\n\r\n");
  CHECK(ReceiveExactly(client.get(), 7 + 11) == "2\r\ncd\r\n0\r\nV: w\r\n\r\n");
  const EventRecord done = lab.lab.Expect(kEventStreamDone);
  CHECK_EQ(done.U64(4), 8u);
  CHECK_EQ(done.U64(6), 4u);
}

TEST(CloseDelimitedBecomesChunked) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(server, "HTTP/1.1 200 OK\r\n\r\nabc");
  server.reset();
  const std::string answer =
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  CHECK(ReceiveExactly(client.get(), answer.size()) == answer);
  // And to a client of HTTP/1.0 it ends with the connection.
  const std::string old = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
  SendText(client, old);
  server = lab.Accept();
  ReceiveExactly(server.get(), old.size());
  SendText(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  CHECK(ReceiveToEnd(client.get()) == "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
}

TEST(NoBodyWhereThereIsNone) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  const std::string head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
  SendText(client, head);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), head.size());
  const std::string long_one = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
  SendText(server, long_one);
  CHECK(ReceiveExactly(client.get(), long_one.size()) == long_one);
  SendText(client, kGet);
  ReceiveExactly(server.get(), kGet.size());
  const std::string not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
  SendText(server, not_modified);
  CHECK(ReceiveExactly(client.get(), not_modified.size()) == not_modified);
  SendText(client, kGet);
  CHECK(ReceiveExactly(server.get(), kGet.size()) == kGet);
}

TEST(ContinueGoesThrough) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  const std::string head =
      "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
  SendText(client, head);
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), head.size()) == head);
  const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  SendText(server, go_on);
  CHECK(ReceiveExactly(client.get(), go_on.size()) == go_on);
  SendText(client, "body");
  CHECK(ReceiveExactly(server.get(), 4) == "body");
  SendText(server, "HTTP/1.1 102 Processing\r\n\r\n" + kOk);
  ReceiveExactly(client.get(), 27);
  CHECK(ReceiveExactly(client.get(), kOk.size()) == kOk);
}

TEST(StaleConnectionIsNoError) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  for (const std::string& request : {kGet, Post("not twice")}) {
    SendText(client, kGet);
    UniqueFd server = lab.Accept();
    ReceiveExactly(server.get(), kGet.size());
    SendText(server, kOk);
    ReceiveExactly(client.get(), kOk.size());
    lab.lab.Expect(kEventStreamDone);
    SetLingerZero(server.get());
    // A GET may be on its way already; what cannot be sent twice comes after the reset.
    if (request == kGet) SendText(client, request);
    server.reset();
    if (request != kGet) SendText(client, request);
    server = lab.Accept();
    CHECK(ReceiveExactly(server.get(), request.size()) == request);
    SendText(server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    server.reset();
    ReceiveExactly(client.get(), kOk.size());
    lab.lab.Expect(kEventStreamDone);
  }
}

TEST(BadRequestsAreAnsweredAndClosed) {
  HttpLab lab;
  for (const auto& [text, status, reason] :
       {std::tuple{std::string("GET / HTTP/1.1\r\n\r\n"), "400", kMessageHostMissing},
        std::tuple{std::string("GET / HTTP/1.1\nHost: a\n\n"), "400", kMessageBareLf},
        std::tuple{"GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(70'000, 'x'), "431",
                   kMessageTooLarge},
        std::tuple{std::string("GET / HTTP/1.9\r\nHost: a\r\n\r\n"), "505", kMessageVersion}}) {
    UniqueFd client = lab.Open();
    SendText(client, text);
    const std::string answer = ReceiveToEnd(client.get());
    CHECK(answer.starts_with(std::string("HTTP/1.1 ") + status));
    CHECK(answer.find("connection: close") != std::string::npos);
    CHECK_EQ(lab.lab.Expect(kEventRejected).words[1], reason);
    client.reset();
    lab.lab.Expect(kEventDone);
  }
  UniqueFd client = lab.Open();
  SendText(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX");
  UniqueFd server = lab.Accept();
  CHECK(ReceiveToEnd(client.get()).starts_with("HTTP/1.1 400"));
  const EventRecord done = lab.lab.Expect(kEventStreamDone);
  CHECK_EQ(done.words[2], kStreamBadRequest);
  CHECK_EQ(done.words[3], kMessageChunkEnd);
}

TEST(BadResponsesAreNotForwarded) {
  HttpLab lab;
  lab.fallback_status = 502;
  for (const std::string& bad :
       {std::string("SSH-2.0-OpenSSH\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        std::string("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA: b\n\n")}) {
    UniqueFd client = lab.Open();
    SendText(client, kGet);
    UniqueFd server = lab.Accept();
    ReceiveExactly(server.get(), kGet.size());
    SendText(server, bad);
    CHECK_EQ(lab.lab.Expect(kEventReset).words[2], kAttemptBadResponse);
    CHECK(ReceiveExactly(client.get(), 24) == "HTTP/1.1 502 Bad Gateway");
    CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[1], 502);
  }
}

TEST(TruncatedResponseIsAReset) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(server, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
  ReceiveExactly(client.get(), 41);
  server.reset();
  int error = 0;
  ReceiveToEnd(client.get(), &error);
  CHECK_EQ(error, ECONNRESET);
  CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[2], kStreamUpstreamReset);
}

TEST(MaskedStatusComesBackFirst) {
  HttpLab lab;
  lab.mask = 1u << 3;  // 503
  std::atomic<int> held{0};
  lab.lab.on_response_head = [&](const EventRecord& event) {
    // The first is tried again, the second goes through.
    if (held++ == 0) {
      lab.Forward(event.words[0], 2);
    } else {
      lab.lab.Command(kCommandResume, {event.words[0], kServer});
    }
  };
  UniqueFd client = lab.Open();
  SendText(client, Post("again"));
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
  for (int i = 0; i < 2; i++) {
    UniqueFd server = lab.Accept();
    CHECK(ReceiveExactly(server.get(), Post("again").size()) == Post("again"));
    SendText(server, busy);
  }
  CHECK(ReceiveExactly(client.get(), busy.size()) == busy);
  CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[1], 503);
}

TEST(TimeoutsAreToldAndAnswered) {
  HttpLab lab;
  lab.timeout_ms = 50;
  lab.fallback_status = 504;
  UniqueFd client = lab.Open();
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  CHECK_EQ(lab.lab.Expect(kEventReset).words[2], kAttemptTimeout);
  CHECK(ReceiveExactly(client.get(), 24) == "HTTP/1.1 504 Gateway Tim");
  // A head that trickles in is not waited for.
  UniqueFd slow = lab.Open(50);
  SendText(slow, "GET / HTTP/1.1\r\nHost:");
  CHECK(ReceiveToEnd(slow.get()).starts_with("HTTP/1.1 408"));
}

TEST(UpgradeOpensATunnel) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  const std::string fields = "Upgrade: websocket\r\n\r\n";
  SendText(client, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" + fields + "early");
  UniqueFd server = lab.Accept();
  const std::string sent = "GET /ws HTTP/1.1\r\nHost: h\r\nconnection: upgrade\r\n" + fields;
  CHECK(ReceiveExactly(server.get(), sent.size()) == sent);
  const std::string switching = "HTTP/1.1 101 Switching Protocols\r\n";
  SendText(server, switching + "Connection: Upgrade\r\n" + fields + "first");
  const std::string answer = switching + "connection: upgrade\r\n" + fields + "first";
  CHECK(ReceiveExactly(client.get(), answer.size()) == answer);
  CHECK(ReceiveExactly(server.get(), 5) == "early");
  SendText(client, "ping");
  CHECK(ReceiveExactly(server.get(), 4) == "ping");
  SendText(server, "pong");
  CHECK(ReceiveExactly(client.get(), 4) == "pong");
  client.reset();
  CHECK(ReceiveToEnd(server.get()).empty());
  server.reset();
  CHECK_EQ(lab.lab.Expect(kEventStreamDone).words[1], 101);
}

TEST(Http2IsCarriedAsBytes) {
  HttpLab lab;
  lab.lab.on_opaque = [&](const EventRecord& event) {
    lab.lab.Connect(event.words[0], 1, AddressOf(lab.back.get()));
  };
  UniqueFd client = lab.Open();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  SendText(client, preface.substr(0, 7));
  lab.lab.Do([] {});
  SendText(client, preface.substr(7) + "frames");
  UniqueFd server = lab.Accept();
  CHECK(ReceiveExactly(server.get(), preface.size() + 6) == preface + "frames");
  SendText(server, "answer");
  CHECK(ReceiveExactly(client.get(), 6) == "answer");
  client.reset();
  server.reset();
  const EventRecord done = lab.lab.Expect(kEventDone);
  CHECK_EQ(done.U64(3), preface.size() + 6);
  // After a request it is none.
  client = lab.Open();
  SendText(client, kGet);
  server = lab.Accept();
  SendText(server, kOk);
  ReceiveExactly(client.get(), kOk.size());
  SendText(client, preface);
  CHECK(ReceiveToEnd(client.get()).starts_with("HTTP/1.1 505"));
}

TEST(DrainEndsWithTheNextResponse) {
  HttpLab lab;
  UniqueFd idle = lab.Open();
  UniqueFd client = lab.Open();
  SendText(idle, kGet);
  UniqueFd kept = lab.Accept();
  ReceiveExactly(kept.get(), kGet.size());
  SendText(client, kGet);
  UniqueFd server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(kept, kOk);
  CHECK(ReceiveExactly(idle.get(), kOk.size()) == kOk);
  lab.lab.Expect(kEventStreamDone);
  lab.lab.Do([&] { lab.lab.Command(kCommandDrain, {}); });
  // A leg that waits for requests is closed; a client that does may still send one.
  CHECK(ReceiveToEnd(kept.get()).empty());
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nhi";
  SendText(server, kOk);
  CHECK(ReceiveToEnd(client.get()) == last);
  CHECK(ReceiveToEnd(server.get()).empty());
  SendText(idle, kGet);
  server = lab.Accept();
  ReceiveExactly(server.get(), kGet.size());
  SendText(server, kOk);
  CHECK(ReceiveToEnd(idle.get()) == last);
}

TEST(LargeBodiesBothWaysAtOnce) {
  HttpLab lab;
  UniqueFd client = lab.Open();
  constexpr size_t kSize = 8 << 20;
  const std::string body(kSize, 'b');
  std::thread sender([&] { SendText(client, Post(body)); });
  UniqueFd server = lab.Accept();
  const size_t head = Post(body).size() - kSize;
  ReceiveExactly(server.get(), head);
  SendText(server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::thread echo([&] {
    for (size_t left = kSize; left > 0; left -= 65'536) {
      SendText(server, "10000\r\n" + ReceiveExactly(server.get(), 65'536) + "\r\n");
    }
    SendText(server, "0\r\n\r\n");
  });
  std::string got;
  while (!got.ends_with("\r\n0\r\n\r\n")) got += ReceiveExactly(client.get(), 1);
  sender.join();
  echo.join();
  CHECK(static_cast<size_t>(std::count(got.begin(), got.end(), 'b')) >= kSize);
  const EventRecord done = lab.lab.Expect(kEventStreamDone);
  CHECK_EQ(done.U64(4), kSize);
  CHECK_EQ(done.U64(6), kSize);
}

TEST(NothingIsLeftBehind) {
  HttpLab lab;
  {
    UniqueFd undecided = lab.Open();
    UniqueFd client = lab.Open();
    SendText(client, kGet);
    UniqueFd server = lab.Accept();
    ReceiveExactly(server.get(), kGet.size());
  }
  lab.lab.Expect(kEventDone);
  lab.lab.Expect(kEventDone);
  lab.lab.Expect(kEventStreamDone);
  lab.lab.Do([&] { lab.lab.Command(kCommandEndpointRemove, {1}); });
  lab.lab.ExpectIdle();
  CHECK_EQ(lab.lab.ReadStats().bufferedBytes, 0u);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
