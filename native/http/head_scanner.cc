#include <cstring>
#include <utility>

#include "http/head.h"
#include "reactor/protocol.h"

namespace sluice::http {

static_assert(static_cast<int>(HeadError::kTruncated) == kMessageTruncated);
static_assert(static_cast<int>(HeadError::kHostMissing) == kMessageHostMissing);

bool EqualsIgnoringCase(std::string_view left, std::string_view lower_case_right) {
  if (left.size() != lower_case_right.size()) return false;
  for (size_t i = 0; i < left.size(); i++) {
    const char byte = left[i];
    if ((byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte) != lower_case_right[i]) return false;
  }
  return true;
}

void Head::Clear() {
  std::vector<Field> kept = std::move(fields);
  kept.clear();
  *this = Head();
  fields = std::move(kept);
}

int32_t HeadScanner::Scan(const uint8_t* data, size_t size, size_t most_bytes) {
  auto fail = [&](HeadError error) {
    error_ = error;
    return -1;
  };
  for (;;) {
    const size_t unseen = size - seen_;
    const void* found = unseen == 0 ? nullptr : std::memchr(data + seen_, '\n', unseen);
    if (found == nullptr) {
      seen_ = static_cast<uint32_t>(size);
      return size - skipped_ > most_bytes ? fail(HeadError::kTooLarge) : 0;
    }
    const auto lf = static_cast<uint32_t>(static_cast<const uint8_t*>(found) - data);
    if (lf == line_ || data[lf - 1] != '\r') return fail(HeadError::kBareLf);
    const bool empty = lf - line_ == 1;
    seen_ = lf + 1;
    if (seen_ - skipped_ > most_bytes) return fail(HeadError::kTooLarge);
    if (empty && line_ != skipped_) return static_cast<int32_t>(seen_);
    line_ = seen_;
    // A client may send an empty line after a body (RFC 9112, 2.2); one, not a flood of them.
    if (empty && skipped_ != 0) return fail(HeadError::kRequestLine);
    if (empty) skipped_ = seen_;
  }
}

}  // namespace sluice::http
