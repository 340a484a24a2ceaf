// What is taken for HTTP and what is not, by table: every way of smuggling that is known by name.
#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/head.h"
#include "http/message.h"
#include "test/check.h"

namespace sluice::test {
namespace {

using namespace std::string_literals;
using http::HeadError;

HeadError Judge(const std::string& text, http::Head* head, bool response) {
  http::HeadScanner scanner;
  const auto* data = reinterpret_cast<const uint8_t*>(text.data());
  const int32_t found = scanner.Scan(data, text.size(), http::kMostHeadBytes);
  if (found < 0) return scanner.error();
  if (found == 0) return HeadError::kTruncated;
  const uint32_t skipped = scanner.skipped();
  const size_t size = static_cast<size_t>(found) - skipped;
  const bool good = response ? http::ParseResponse(data + skipped, size, head)
                             : http::ParseRequest(data + skipped, size, head);
  CHECK_EQ(good, head->error == HeadError::kNone);
  // Byte by byte the scanner must come to the same end.
  http::HeadScanner slow;
  int32_t again = 0;
  for (size_t seen = 1; seen <= text.size() && again == 0; seen++) {
    again = slow.Scan(data, seen, http::kMostHeadBytes);
  }
  CHECK_EQ(again, found);
  return head->error;
}

struct Case {
  std::string text;
  HeadError error;
};

void Expect(const std::vector<Case>& cases, bool response) {
  for (const Case& one : cases) {
    http::Head head;
    const HeadError error = Judge(one.text, &head, response);
    if (error != one.error) {
      fprintf(stderr, "%s: %d instead of %d\n", one.text.c_str(), static_cast<int>(error),
              static_cast<int>(one.error));
    }
    CHECK(error == one.error);
  }
}

std::string Get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(RequestFields) {
  Expect({{Get(""), HeadError::kNone},
          {Get("A: b\r\n"), HeadError::kNone},
          {Get("A:b\r\n"), HeadError::kNone},
          {Get("A: \t b \t \r\n"), HeadError::kNone},
          {Get("A:\r\n"), HeadError::kNone},
          {Get("A: caf\xc3\xa9\r\n"), HeadError::kNone},
          {Get("A : b\r\n"), HeadError::kSpaceBeforeColon},
          {Get("A\t: b\r\n"), HeadError::kSpaceBeforeColon},
          {Get("A: b\r\n c\r\n"), HeadError::kFolded},
          {Get("A: b\r\n\tc\r\n"), HeadError::kFolded},
          {Get(" A: b\r\n"), HeadError::kFolded},
          {Get("A\r\n"), HeadError::kFieldName},
          {Get(": b\r\n"), HeadError::kFieldName},
          {Get("A(: b\r\n"), HeadError::kFieldName},
          {Get("A: b\0c\r\n"s), HeadError::kControlByte},
          {Get("A: b\x01 0123456789\r\n"), HeadError::kControlByte},
          {Get("A: 0123456789\x7f\r\n"), HeadError::kControlByte},
          {Get("A: b\rc\r\n"), HeadError::kBareCr},
          {Get("A: b\nC: d\r\n"), HeadError::kBareLf},
          {"GET / HTTP/1.1\nHost: a\n\n", HeadError::kBareLf}},
         false);
}

TEST(RequestFraming) {
  Expect({{Get("Content-Length: 5\r\n"), HeadError::kNone},
          {Get("Content-Length: 5\r\nContent-Length: 5\r\n"), HeadError::kContentLength},
          {Get("Content-Length: 5\r\nContent-Length: 6\r\n"), HeadError::kContentLength},
          {Get("Content-Length: 5, 5\r\n"), HeadError::kContentLength},
          {Get("Content-Length: +5\r\n"), HeadError::kContentLength},
          {Get("Content-Length: -5\r\n"), HeadError::kContentLength},
          {Get("Content-Length: 0x5\r\n"), HeadError::kContentLength},
          {Get("Content-Length: \r\n"), HeadError::kContentLength},
          {Get("Content-Length: 9999999999999999999\r\n"), HeadError::kContentLength},
          {Get("Transfer-Encoding: chunked\r\n"), HeadError::kNone},
          {Get("Transfer-Encoding: CHUNKED \r\n"), HeadError::kNone},
          {Get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), HeadError::kLengthAndCoding},
          {Get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), HeadError::kLengthAndCoding},
          {Get("Transfer-Encoding: gzip, chunked\r\n"), HeadError::kTransferCoding},
          {Get("Transfer-Encoding: chunked, identity\r\n"), HeadError::kTransferCoding},
          {Get("Transfer-Encoding: identity\r\n"), HeadError::kTransferCoding},
          {Get("Transfer-Encoding: xchunked\r\n"), HeadError::kTransferCoding},
          {Get("Transfer-Encoding: \"chunked\"\r\n"), HeadError::kTransferCoding},
          {Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
           HeadError::kTransferCoding},
          {Get("Transfer-Encoding:\x0b"s + "chunked\r\n"), HeadError::kControlByte},
          {Get("Transfer-Encoding : chunked\r\n"), HeadError::kSpaceBeforeColon},
          {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
           HeadError::kTransferCoding}},
         false);
}

TEST(RequestLineAndHost) {
  const std::string host = "Host: a\r\n\r\n";
  Expect({{"GET / HTTP/1.1\r\n" + host, HeadError::kNone},
          {"\r\nGET / HTTP/1.1\r\n" + host, HeadError::kNone},
          {"\r\n\r\nGET / HTTP/1.1\r\n" + host, HeadError::kRequestLine},
          {"GET http://b:80/x?y HTTP/1.1\r\n" + host, HeadError::kNone},
          {"GET http://b HTTP/1.1\r\n" + host, HeadError::kNone},
          {"GET http:// HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET http://u@b/ HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET ftp://b/ HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET x HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET /a#b HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET /a b HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET  / HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"OPTIONS * HTTP/1.1\r\n" + host, HeadError::kNone},
          {"GET * HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"CONNECT b:443 HTTP/1.1\r\n" + host, HeadError::kNone},
          {"CONNECT b HTTP/1.1\r\n" + host, HeadError::kTarget},
          {"GET /\r\n" + host, HeadError::kRequestLine},
          {"G@T / HTTP/1.1\r\n" + host, HeadError::kRequestLine},
          {"GET / HTTP/1.1 \r\n" + host, HeadError::kRequestLine},
          {"GET / HTTP/2.0\r\n" + host, HeadError::kVersion},
          {"GET / HTTP/1.2\r\n" + host, HeadError::kVersion},
          {"GET / http/1.1\r\n" + host, HeadError::kRequestLine},
          {"GET /\x01 HTTP/1.1\r\n" + host, HeadError::kControlByte},
          {"GET / HTTP/1.1\r\n\r\n", HeadError::kHostMissing},
          {"GET / HTTP/1.0\r\n\r\n", HeadError::kNone},
          {Get("Host: a\r\n"), HeadError::kHostRepeated},
          {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HeadError::kNone},
          {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HeadError::kHostInvalid},
          {"GET / HTTP/1.1\r\nHost:\r\n\r\n", HeadError::kNone}},
         false);
}

TEST(Responses) {
  Expect({{"HTTP/1.1 200 OK\r\n\r\n", HeadError::kNone},
          {"HTTP/1.1 200\r\n\r\n", HeadError::kNone},
          {"HTTP/1.1 200 \r\n\r\n", HeadError::kNone},
          {"HTTP/1.1 20 OK\r\n\r\n", HeadError::kStatusLine},
          {"HTTP/1.1 2000 OK\r\n\r\n", HeadError::kStatusLine},
          {"HTTP/1.1 600 OK\r\n\r\n", HeadError::kStatusLine},
          {"HTTP/3.1 200 OK\r\n\r\n", HeadError::kVersion},
          {"SSH-2.0-x\r\n\r\n", HeadError::kStatusLine},
          {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
           HeadError::kContentLength},
          {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           HeadError::kLengthAndCoding},
          {"HTTP/1.1 200 OK\nA: b\n\n", HeadError::kBareLf}},
         true);
}

TEST(Limits) {
  http::Head head;
  const std::string large = Get("A: " + std::string(70'000, 'x') + "\r\n");
  CHECK(Judge(large, &head, false) == HeadError::kTooLarge);
  std::string many;
  for (int i = 0; i < 300; i++) many += "A: b\r\n";
  CHECK(Judge(Get(many), &head, false) == HeadError::kTooManyFields);
}

// The decoded body, or the error as a number.
std::string Decode(const std::string& text, size_t step, std::string* trailers = nullptr) {
  http::ChunkedDecoder decoder;
  std::string body;
  const auto* begin = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = begin + text.size();
  for (const uint8_t* at = begin; at != end;) {
    const uint8_t* limit = static_cast<size_t>(end - at) < step ? end : at + step;
    const uint8_t* data = nullptr;
    size_t size = 0;
    switch (decoder.Next(&at, limit, &data, &size)) {
      case http::ChunkedDecoder::Step::kBad:
        return std::to_string(static_cast<int>(decoder.error()));
      case http::ChunkedDecoder::Step::kDone:
        if (trailers != nullptr) *trailers = decoder.trailers();
        return body;
      case http::ChunkedDecoder::Step::kData:
        body.append(reinterpret_cast<const char*>(data), size);
        break;
      case http::ChunkedDecoder::Step::kMore: break;
    }
  }
  return "more";
}

TEST(Chunks) {
  for (const size_t step : {size_t{1}, size_t{3}, size_t{1000}}) {
    std::string trailers;
    CHECK(Decode("5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: u\r\n\r\n", step, &trailers) == "hello!");
    CHECK(trailers == "T: u\r\n");
    CHECK(Decode("0\r\n\r\n", step).empty());
    CHECK(Decode("00a\r\n0123456789\r\n0\r\n\r\n", step) == "0123456789");
    CHECK(Decode("5\nhello\r\n0\r\n\r\n", step) == "19");
    CHECK(Decode("5 \r\nhello\r\n0\r\n\r\n", step) == "19");
    CHECK(Decode("0x5\r\nhello\r\n", step) == "19");
    CHECK(Decode("\r\n", step) == "19");
    CHECK(Decode("fffffffffffffffff\r\n", step) == "19");
    CHECK(Decode("-1\r\n", step) == "19");
    CHECK(Decode("5;\r\nhello", step) == "20");
    CHECK(Decode("5;a\nb\r\nhello", step) == "20");
    CHECK(Decode("5;" + std::string(5'000, 'x'), step) == "20");
    CHECK(Decode("5\r\nhelloX\r\n", step) == "21");
    CHECK(Decode("5\r\nhello\n0\r\n\r\n", step) == "21");
    CHECK(Decode("0\r\nT : u\r\n\r\n", step) == "22");
    CHECK(Decode("0\r\nContent-Length: 4\r\n\r\n", step) == "22");
    CHECK(Decode("0\r\nT: u\n\r\n", step) == "22");
    CHECK(Decode("0\r\nT: " + std::string(9'000, 'x'), step) == "22");
  }
}

std::string Forwarded(const std::string& text, const std::string& edits = "") {
  http::Head head;
  CHECK(Judge(text, &head, false) == HeadError::kNone);
  http::Output out(1 << 16);
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const http::Edits parsed(reinterpret_cast<const uint8_t*>(edits.data()), edits.size());
  CHECK(parsed.IsValid());
  WriteRequestHead(bytes, head, parsed, &out);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string Edit(int operation, const std::string& name, const std::string& value) {
  return std::string{static_cast<char>(operation), static_cast<char>(name.size()),
                     static_cast<char>(value.size()), '\0'} + name + value;
}

TEST(WhatIsForwarded) {
  CHECK(Forwarded(Get("A: b\r\n")) == Get("A: b\r\n"));
  CHECK(Forwarded(Get("Connection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nB:  c\r\n")) ==
        Get("B:  c\r\n"));
  CHECK(Forwarded(Get("Connection: host\r\n")) == Get(""));
  CHECK(Forwarded("GET http://b:1?q HTTP/1.1\r\nHost: a\r\nC: d\r\n\r\n") ==
        "GET /?q HTTP/1.1\r\nHost: b:1\r\nC: d\r\n\r\n");
  CHECK(Forwarded(Get("Connection: Upgrade\r\nUpgrade: websocket\r\n")) ==
        Get("connection: upgrade\r\nUpgrade: websocket\r\n"));
  CHECK(Forwarded(Get("Upgrade: websocket\r\n")) == Get(""));
  CHECK(Forwarded("GET / HTTP/1.0\r\n\r\n") == "GET / HTTP/1.0\r\n\r\n");
  const std::string edits = Edit(1, "a", "") + Edit(2, "b", "2") + Edit(3, "c", "3") +
                            Edit(4, "", "/new?x") + Edit(5, "", "other:8");
  CHECK(Forwarded(Get("A: 1\r\nB: 1\r\nC: 1\r\nb: 0\r\n"), edits) ==
        "GET /new?x HTTP/1.1\r\nHost: other:8\r\nC: 1\r\nb: 2\r\nc: 3\r\n\r\n");
}

TEST(EditsThatWouldBreakAHead) {
  for (const std::string& bad : {Edit(2, "a b", "c"), Edit(2, "a", "b\r\nc"), Edit(4, "", "/a b"),
                                 Edit(9, "a", "b"), Edit(2, "a", "b").substr(0, 5), "\x01"s}) {
    CHECK(!http::Edits(reinterpret_cast<const uint8_t*>(bad.data()), bad.size()).IsValid());
  }
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
