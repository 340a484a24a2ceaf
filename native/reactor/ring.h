// Both ends of the rings that protocol.h describes. Memory belongs to TypeScript; what it wrote is
// checked here before it is believed, because a wrong length must not become a read outside the
// buffer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reactor/protocol.h"

namespace sluice {

// True when `words` can be a ring: header present and a capacity that is a power of two and fits.
bool RingIsValid(const int32_t* words, size_t word_count);

// The reactor's end of the event ring.
class EventRing {
 public:
  explicit EventRing(int32_t* words);

  // Room for the payload of one record, published at once (the reader runs on the same thread,
  // later). Nullptr when the ring is full: then nothing was written.
  int32_t* Append(Event type, uint32_t payload_words);

  // Whether `records` more records of the largest kind would fit.
  bool HasRoomFor(uint32_t records) const;
  bool empty() const { return Used() == 0; }

 private:
  uint32_t Used() const;

  int32_t* words_;
  uint32_t capacity_;
};

struct CommandRecord {
  int type;
  uint32_t count;  // payload words
  const int32_t* payload;
};

// The reactor's end of the command ring.
class CommandRing {
 public:
  enum class Status { kRecord, kEmpty, kCorrupt };

  explicit CommandRing(int32_t* words);

  // Takes the next record; its payload stays valid until the writer runs again. After kCorrupt the
  // whole content is gone: without a trustworthy length there is no next record to find.
  Status Next(CommandRecord* record);

 private:
  Status Discard();

  int32_t* words_;
  uint32_t capacity_;
};

// Payload words of a command, or -1 for a number that is no command.
int CommandPayloadWords(int type);

// A 64-bit value as two words, low first.
inline void PutU64(int32_t* words, uint64_t value) {
  words[0] = static_cast<int32_t>(static_cast<uint32_t>(value));
  words[1] = static_cast<int32_t>(static_cast<uint32_t>(value >> 32));
}

}  // namespace sluice
