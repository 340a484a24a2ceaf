#include "reactor/ring.h"

namespace sluice {

namespace {

constexpr uint32_t kLargestRecordWords = 32;

uint32_t Load(const int32_t* words, int index) { return static_cast<uint32_t>(words[index]); }
void Store(int32_t* words, int index, uint32_t value) {
  words[index] = static_cast<int32_t>(value);
}

enum { kHead = 0, kTail = 1, kCapacity = 2 };

}  // namespace

bool RingIsValid(const int32_t* words, size_t word_count) {
  if (words == nullptr || word_count < kRingHeaderWords + 4 * kLargestRecordWords) return false;
  const uint32_t capacity = Load(words, kCapacity);
  const bool power_of_two = capacity != 0 && (capacity & (capacity - 1)) == 0;
  return power_of_two && capacity >= 4 * kLargestRecordWords &&
         capacity <= word_count - kRingHeaderWords;
}

EventRing::EventRing(int32_t* words) : words_(words), capacity_(Load(words, kCapacity)) {}

uint32_t EventRing::Used() const { return Load(words_, kTail) - Load(words_, kHead); }

bool EventRing::HasRoomFor(uint32_t records) const {
  const uint32_t used = Used();
  // One record more than asked for: a PAD at the end of the ring may take as much again.
  return used <= capacity_ && capacity_ - used >= (records + 1) * kLargestRecordWords;
}

int32_t* EventRing::Append(Event type, uint32_t payload_words) {
  const uint32_t length = payload_words + 1;
  uint32_t tail = Load(words_, kTail);
  const uint32_t used = Used();
  const uint32_t position = tail & (capacity_ - 1);
  const uint32_t to_end = capacity_ - position;
  const uint32_t pad = to_end < length ? to_end : 0;
  if (used > capacity_ || capacity_ - used < length + pad) return nullptr;
  int32_t* records = words_ + kRingHeaderWords;
  if (pad != 0) records[position] = static_cast<int32_t>(kEventPad | (pad << 8));
  tail += pad;
  int32_t* record = records + (tail & (capacity_ - 1));
  record[0] = static_cast<int32_t>(static_cast<uint32_t>(type) | (length << 8));
  Store(words_, kTail, tail + length);
  return record + 1;
}

CommandRing::CommandRing(int32_t* words) : words_(words), capacity_(Load(words, kCapacity)) {}

CommandRing::Status CommandRing::Discard() {
  Store(words_, kHead, Load(words_, kTail));
  return Status::kCorrupt;
}

CommandRing::Status CommandRing::Next(CommandRecord* record) {
  for (;;) {
    const uint32_t head = Load(words_, kHead);
    const uint32_t used = Load(words_, kTail) - head;
    if (used == 0) return Status::kEmpty;
    if (used > capacity_) return Discard();
    const uint32_t position = head & (capacity_ - 1);
    const int32_t* start = words_ + kRingHeaderWords + position;
    const uint32_t first = static_cast<uint32_t>(start[0]);
    const uint32_t length = first >> 8;
    if (length == 0 || length > used || length > capacity_ - position) return Discard();
    Store(words_, kHead, head + length);
    const int type = static_cast<int>(first & 0xff);
    if (type == kCommandPad) continue;
    *record = {type, length - 1, start + 1};
    return Status::kRecord;
  }
}

int CommandPayloadWords(int type) {
  switch (type) {
    case kCommandListen: return 7;
    case kCommandUnlisten: return 1;
    case kCommandNetnsAdd: return 3;
    case kCommandNetnsRemove: return 1;
    case kCommandConnect: return 20;
    case kCommandClose: return 2;
    case kCommandPair: return 3;
    case kCommandTimer: return 2;
    case kCommandDrain: return 0;
    case kCommandIdleTimeout: return 2;
    case kCommandHttp: return 5;
    case kCommandEndpoint: return 20;
    case kCommandEndpointRemove: return 1;
    case kCommandForward: return 9;
    case kCommandRespond: return 7;
    case kCommandBodyOut: return 5;
    case kCommandPause: return 2;
    case kCommandResume: return 2;
    case kCommandReset: return 2;
    case kCommandTrailersOut: return 4;
    default: return -1;
  }
}

}  // namespace sluice
