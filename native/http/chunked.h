// The chunked coding (RFC 9112, 7.1), read strictly and written anew: what is forwarded never holds
// a byte of the sender's framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "http/head.h"

namespace sluice::http {

class ChunkedDecoder {
 public:
  enum class Step : uint8_t { kData, kMore, kDone, kBad };

  // Reads on at *at, up to `end`, and moves *at. kData: *data and *size are a piece of the body.
  // kMore: all is read. kDone: so is the body, with its trailers.
  Step Next(const uint8_t** at, const uint8_t* end, const uint8_t** data, size_t* size);

  // Trailer lines with their CRLF.
  const std::string& trailers() const { return trailers_; }
  HeadError error() const { return error_; }

 private:
  enum class State : uint8_t {
    kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone, kBad
  };

  enum class Extension : uint8_t {
    kBegin, kName, kValueBegin, kValue, kQuoted, kEscaped, kQuotedEnd
  };

  Step Fail(HeadError error);
  bool TakeSize(uint8_t byte);
  bool TakeExtension(uint8_t byte);
  bool EndTrailerLine();

  State state_ = State::kSize;
  HeadError error_ = HeadError::kNone;
  uint8_t digits_ = 0;
  Extension extension_ = Extension::kBegin;
  uint32_t extension_bytes_ = 0;  // of the whole body
  uint32_t line_ = 0;             // where the unfinished trailer line begins
  uint64_t left_ = 0;
  std::string trailers_;
};

// Hexadecimal size and CRLF, at most kChunkHeadBytes. Returns the length.
constexpr size_t kChunkHeadBytes = 18;
size_t WriteChunkHead(uint8_t* to, uint64_t size);

}  // namespace sluice::http
