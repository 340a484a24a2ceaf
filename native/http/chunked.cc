#include "http/chunked.h"

#include <algorithm>

namespace sluice::http {

namespace {

// 2^60: no overflow, and more than anybody has.
constexpr uint8_t kMostDigits = 15;
// Nobody uses extensions; an endless one is an attack.
constexpr uint32_t kMostExtensionBytes = 4 * 1024;
constexpr size_t kMostTrailerBytes = 8 * 1024;

int HexDigit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int letter = byte | 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::Fail(HeadError error) {
  error_ = error;
  state_ = State::kBad;
  return Step::kBad;
}

bool ChunkedDecoder::TakeSize(uint8_t byte) {
  if (const int digit = HexDigit(byte); digit >= 0) {
    if (++digits_ > kMostDigits) return false;
    left_ = left_ << 4 | static_cast<uint64_t>(digit);
    return true;
  }
  if (digits_ == 0) return false;
  if (byte == '\r') {
    state_ = State::kSizeLf;
    return true;
  }
  if (byte != ';') return false;
  state_ = State::kExtension;
  extension_ = Extension::kBegin;
  return true;
}

// ";name", ";name=token" and ";name=\"quoted\"", any number of them, without spaces between.
bool ChunkedDecoder::TakeExtension(uint8_t byte) {
  if (++extension_bytes_ > kMostExtensionBytes) return false;
  const char text = static_cast<char>(byte);
  const bool token = IsToken({&text, 1});
  const bool ends = byte == '\r' || byte == ';';
  switch (extension_) {
    case Extension::kBegin:
      extension_ = Extension::kName;
      return token;
    case Extension::kName:
      if (byte == '=') extension_ = Extension::kValueBegin;
      if (byte == '=' || token) return true;
      break;
    case Extension::kValueBegin:
      extension_ = byte == '"' ? Extension::kQuoted : Extension::kValue;
      return token || byte == '"';
    case Extension::kValue:
      if (token) return true;
      break;
    case Extension::kQuoted:
      if (byte == '"') extension_ = Extension::kQuotedEnd;
      if (byte == '\\') extension_ = Extension::kEscaped;
      return byte >= 0x20 && byte < 0x7f;
    case Extension::kEscaped:
      extension_ = Extension::kQuoted;
      return byte >= 0x20 && byte < 0x7f;
    case Extension::kQuotedEnd: break;
  }
  if (byte == '\r') state_ = State::kSizeLf;
  if (byte == ';') extension_ = Extension::kBegin;
  return ends;
}

bool ChunkedDecoder::EndTrailerLine() {
  const size_t size = trailers_.size() - line_;
  if (size == 0) return true;
  const auto* line = reinterpret_cast<const uint8_t*>(trailers_.data()) + line_;
  if (!IsTrailerLine(line, size)) return false;
  trailers_ += "\r\n";
  line_ = static_cast<uint32_t>(trailers_.size());
  return true;
}

ChunkedDecoder::Step ChunkedDecoder::Next(const uint8_t** at, const uint8_t* end,
                                          const uint8_t** data, size_t* size) {
  if (state_ == State::kDone) return Step::kDone;
  if (state_ == State::kBad) return Step::kBad;
  while (*at != end) {
    if (state_ == State::kData) {
      *data = *at;
      *size = static_cast<size_t>(std::min<uint64_t>(left_, static_cast<uint64_t>(end - *at)));
      *at += *size;
      left_ -= *size;
      if (left_ == 0) state_ = State::kDataCr;
      return Step::kData;
    }
    const uint8_t byte = *(*at)++;
    switch (state_) {
      case State::kSize:
        if (!TakeSize(byte)) return Fail(HeadError::kChunkSize);
        break;
      case State::kExtension:
        if (!TakeExtension(byte)) return Fail(HeadError::kChunkExtension);
        break;
      case State::kSizeLf:
        if (byte != '\n') return Fail(HeadError::kChunkSize);
        state_ = left_ != 0 ? State::kData : State::kTrailer;
        digits_ = 0;
        break;
      case State::kDataCr:
        if (byte != '\r') return Fail(HeadError::kChunkEnd);
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (byte != '\n') return Fail(HeadError::kChunkEnd);
        state_ = State::kSize;
        break;
      case State::kTrailer:
        if (byte == '\r') {
          state_ = State::kTrailerLf;
        } else if (trailers_.size() >= kMostTrailerBytes || byte == '\n') {
          return Fail(HeadError::kTrailer);
        } else {
          trailers_ += static_cast<char>(byte);
        }
        break;
      case State::kTrailerLf: {
        const bool last_line = trailers_.size() == line_;
        if (byte != '\n' || !EndTrailerLine()) return Fail(HeadError::kTrailer);
        state_ = last_line ? State::kDone : State::kTrailer;
        if (last_line) return Step::kDone;
        break;
      }
      case State::kData:
      case State::kDone:
      case State::kBad: break;
    }
  }
  return Step::kMore;
}

size_t WriteChunkHead(uint8_t* to, uint64_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  int digits = 1;
  while (digits < 16 && size >> (4 * digits) != 0) digits++;
  for (int i = 0; i < digits; i++) {
    to[i] = static_cast<uint8_t>(kDigits[size >> (4 * (digits - 1 - i)) & 15]);
  }
  to[digits] = '\r';
  to[digits + 1] = '\n';
  return static_cast<size_t>(digits) + 2;
}

}  // namespace sluice::http
