// Heads as they go out: what came in without what was for one hop only, with TypeScript's edits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace sluice::http {

// A buffer of fixed size that is filled from the front. What does not fit is left out, and
// overflowed() says so.
class Output {
 public:
  explicit Output(size_t capacity) : bytes_(capacity) {}

  void Clear() {
    size_ = 0;
    overflowed_ = false;
  }
  void Add(const void* data, size_t size) {
    if (size > bytes_.size() - size_) {
      overflowed_ = true;
      return;
    }
    if (size != 0) std::memcpy(bytes_.data() + size_, data, size);
    size_ += size;
  }
  void Add(std::string_view text) { Add(text.data(), text.size()); }
  void AddNumber(uint64_t number);
  // One chunk with its framing.
  void AddChunk(const uint8_t* data, size_t size);

  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return size_; }
  size_t room() const { return bytes_.size() - size_; }
  bool overflowed() const { return overflowed_; }

 private:
  std::vector<uint8_t> bytes_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

// TypeScript's edits: records of {u8 operation, u8 name length, u16 value length (low byte first),
// name, value}. Names are lower case. Removals and sets are applied before additions.
enum EditOperation : uint8_t {
  kEditRequestRemove = 1,
  kEditRequestSet = 2,
  kEditRequestAdd = 3,
  kEditTarget = 4,     // the value is the new target
  kEditAuthority = 5,  // the value is the new Host
  kEditResponseRemove = 17,
  kEditResponseSet = 18,
  kEditResponseAdd = 19,
};

struct Edit {
  uint8_t operation;
  std::string_view name;
  std::string_view value;
};

class Edits {
 public:
  Edits() = default;
  Edits(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  // Whether all records are whole and known, and hold nothing that would break a head.
  bool IsValid() const;
  bool empty() const { return size_ == 0; }

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (size_t at = 0; at < size_;) {
      Edit edit;
      at += Read(at, &edit);
      visit(edit);
    }
  }
  // The last value of that operation, or nullptr data when there is none.
  std::string_view Last(uint8_t operation) const;
  bool Removes(std::string_view name, bool response) const;

 private:
  size_t Read(size_t at, Edit* edit) const;

  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// `head` was parsed from `bytes`.
void WriteRequestHead(const uint8_t* bytes, const Head& head, const Edits& edits, Output* out);

struct ResponseStyle {
  bool chunked = false;     // the body is written in chunks
  bool close = false;       // the client's connection ends after it
  bool keep_alive = false;  // says so, to a client of HTTP/1.0
  bool tunnel = false;      // 101: the Upgrade fields go through
};

void WriteResponseHead(const uint8_t* bytes, const Head& head, const Edits& edits,
                       const ResponseStyle& style, Output* out);

// A response of the proxy's own; `fields` are lines with their CRLF.
void WriteOwnResponse(int status, std::string_view fields, std::string_view body, bool close,
                      bool without_body, Output* out);

std::string_view ReasonPhrase(int status);

}  // namespace sluice::http
