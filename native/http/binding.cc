#include <algorithm>
#include <vector>

#include "base/args.h"
#include "http/chunked.h"
#include "http/head.h"
#include "http/message.h"
#include "http/register.h"

namespace sluice::http {

namespace {

struct Reading {
  Head head;
  std::vector<uint8_t> body;
  bool complete = true;
  size_t length = 0;  // of the message, as far as it is there
};

Napi::String Text(Napi::Env env, const uint8_t* bytes, size_t begin, size_t length) {
  // One character a byte.
  const std::u16string text(bytes + begin, bytes + begin + length);
  return Napi::String::New(env, text);
}

// The body behind the head, as the engine finds its end.
void ReadBody(const Bytes& given, bool response, Reading* reading) {
  Head& head = reading->head;
  const uint8_t* at = given.data + reading->length;
  const uint8_t* end = given.data + given.size;
  const bool none = response && (head.status < 200 || head.status == 204 || head.status == 304);
  if (none) return;
  if (head.coding == Coding::kChunked) {
    ChunkedDecoder decoder;
    const uint8_t* data = nullptr;
    size_t size = 0;
    auto step = ChunkedDecoder::Step::kData;
    while ((step = decoder.Next(&at, end, &data, &size)) == ChunkedDecoder::Step::kData)
      reading->body.insert(reading->body.end(), data, data + size);
    if (step == ChunkedDecoder::Step::kBad) head.error = decoder.error();
    reading->complete = step == ChunkedDecoder::Step::kDone;
  } else if (head.coding == Coding::kLength || response) {
    const auto left = static_cast<uint64_t>(end - at);
    const bool bounded = head.coding == Coding::kLength;
    const uint64_t size = bounded ? std::min(head.content_length, left) : left;
    reading->body.assign(at, at + size);
    reading->complete = bounded && size == head.content_length;
    at += size;
  }
  reading->length = static_cast<size_t>(at - given.data);
}

Napi::Array Fields(Napi::Env env, const uint8_t* bytes, const Head& head) {
  Napi::Array fields = Napi::Array::New(env);
  uint32_t index = 0;
  for (const Field& field : head.fields) {
    fields.Set(index++, Text(env, bytes, field.line, field.name_length));
    fields.Set(index++, Text(env, bytes, field.value, field.value_length));
  }
  return fields;
}

void Describe(const uint8_t* bytes, bool response, const Reading& reading, Napi::Object result) {
  const Napi::Env env = result.Env();
  const Head& head = reading.head;
  result.Set("status", head.status);
  result.Set("method", Text(env, bytes, 0, head.method_length));
  result.Set("target", Text(env, bytes, head.target, head.target_length));
  result.Set("fields", Fields(env, bytes, head));
  result.Set("body", Napi::Buffer<uint8_t>::Copy(env, reading.body.data(), reading.body.size()));
  result.Set("complete", reading.complete);
  result.Set("length", static_cast<double>(reading.length));
  Output out(2 * kMostHeadBytes);
  if (response) {
    ResponseStyle style;
    style.chunked = head.coding == Coding::kChunked;
    WriteResponseHead(bytes, head, Edits(), style, &out);
  } else {
    WriteRequestHead(bytes, head, Edits(), &out);
  }
  result.Set("forwarded", Napi::Buffer<uint8_t>::Copy(env, out.data(), out.size()));
}

// (bytes, response) -> {error, status, method, target, fields: [name, value, …], body, complete,
// length, forwarded}
Napi::Value ReadMessage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info, "httpReadMessage");
  const Bytes given = args.Uint8Array(0);
  const bool response = args.Bool(1);
  if (!args.ok()) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  auto fail = [&](HeadError error) {
    result.Set("error", static_cast<int>(error));
    return result;
  };
  HeadScanner scanner;
  const int32_t found = given.size == 0 ? 0 : scanner.Scan(given.data, given.size, kMostHeadBytes);
  if (found <= 0) return fail(found < 0 ? scanner.error() : HeadError::kTruncated);
  if (response && scanner.skipped() != 0) return fail(HeadError::kStatusLine);
  const uint8_t* bytes = given.data + scanner.skipped();
  const size_t size = static_cast<size_t>(found) - scanner.skipped();
  Reading reading;
  reading.length = static_cast<size_t>(found);
  if (response ? ParseResponse(bytes, size, &reading.head)
               : ParseRequest(bytes, size, &reading.head)) {
    ReadBody(given, response, &reading);
  }
  if (reading.head.error == HeadError::kNone) Describe(bytes, response, reading, result);
  return fail(reading.head.error);
}

}  // namespace

void RegisterHttp(Napi::Env env, Napi::Object exports) {
  exports.Set("httpReadMessage", Napi::Function::New(env, ReadMessage, "httpReadMessage"));
}

}  // namespace sluice::http
