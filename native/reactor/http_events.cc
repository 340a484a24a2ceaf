// The events of the request interface.
#include <cstring>

#include "http/parts.h"
#include "reactor/event_sink.h"

namespace sluice {

namespace {

constexpr uint32_t kRequestWords = 14;
constexpr uint32_t kResponseHeadWords = 9;

int32_t Low(uint64_t value) { return static_cast<int32_t>(static_cast<uint32_t>(value)); }
int32_t High(uint64_t value) { return static_cast<int32_t>(static_cast<uint32_t>(value >> 32)); }

int32_t FlagsOf(const http::Head& head, bool has_body) {
  return (head.http10 ? kRequestHttp10 : 0) | (head.upgrade ? kRequestUpgrade : 0) |
         (head.is_connect ? kRequestConnect : 0) |
         (head.coding == http::Coding::kChunked ? kRequestChunked : 0) |
         (has_body ? kRequestHasBody : 0) | (head.expects_continue ? kRequestExpect : 0) |
         (head.idempotent ? kRequestIdempotent : 0);
}

}  // namespace

EventSink::Placed EventSink::Place(const uint8_t* bytes, size_t size, const http::Head& head) {
  const uint32_t table = (slab_used_ + 3) & ~3u;
  auto* entries = reinterpret_cast<uint16_t*>(slab_.data + table);
  for (const http::Field& field : head.fields) {
    *entries++ = field.line;
    *entries++ = field.name_length;
    *entries++ = field.value;
    *entries++ = field.value_length;
  }
  const auto at = static_cast<uint32_t>(reinterpret_cast<uint8_t*>(entries) - slab_.data);
  std::memcpy(slab_.data + at, bytes, size);
  slab_used_ = at + static_cast<uint32_t>(size);
  return {at, table};
}

void EventSink::Request(const Connection& connection, const http::Stream& stream) {
  const http::Head& head = stream.head;
  const Placed placed = Place(stream.bytes.data(), stream.bytes.size(), head);
  int32_t* words = ring_.Append(kEventRequest, kRequestWords);
  if (words == nullptr) return;
  stats_->events++;
  const auto base = static_cast<int32_t>(placed.head);
  words[0] = stream.id;
  words[1] = connection.id;
  words[2] = base;
  words[3] = static_cast<int32_t>(stream.bytes.size());
  words[4] = head.method_length;
  words[5] = base + head.target;
  words[6] = head.target_length;
  words[7] = base + head.authority;
  words[8] = head.authority_length;
  words[9] = FlagsOf(head, !stream.request.done);
  PutU64(words + 10, head.content_length);
  words[12] = static_cast<int32_t>(placed.table);
  words[13] = static_cast<int32_t>(head.fields.size());
}

void EventSink::ResponseHead(const http::Stream& stream, const uint8_t* bytes, size_t size,
                             const http::Head& head) {
  const Placed placed = Place(bytes, size, head);
  int32_t* words = ring_.Append(kEventResponseHead, kResponseHeadWords);
  if (words == nullptr) return;
  stats_->events++;
  words[0] = stream.id;
  words[1] = head.status;
  words[2] = static_cast<int32_t>(placed.head);
  words[3] = static_cast<int32_t>(size);
  words[4] = head.coding == http::Coding::kChunked ? kRequestChunked : 0;
  PutU64(words + 5, head.content_length);
  words[7] = static_cast<int32_t>(placed.table);
  words[8] = static_cast<int32_t>(head.fields.size());
}

void EventSink::AttemptFailed(int32_t stream, int32_t attempt, int32_t reason, int error,
                              uint64_t took_us, bool replayable) {
  WriteOrKeep({kEventReset, {stream, attempt, reason, error, Low(took_us), replayable ? 1 : 0}, 6});
}

void EventSink::StreamEnded(const StreamDone& done) {
  WriteOrKeep({kEventStreamDone,
               {done.stream, done.status, done.reason, done.error, Low(done.request_bytes),
                High(done.request_bytes), Low(done.response_bytes), High(done.response_bytes),
                Low(done.duration_us), High(done.duration_us), done.first_byte_us, done.endpoint},
               12});
}

void EventSink::Rejected(int32_t connection, int32_t error, int32_t status) {
  WriteOrKeep({kEventRejected, {connection, error, status}, 3});
}

void EventSink::BecameOpaque(int32_t connection) { WriteOrKeep({kEventOpaque, {connection}, 1}); }

}  // namespace sluice
