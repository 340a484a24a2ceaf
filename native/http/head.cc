#include "http/head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "http/authority.h"

namespace sluice::http {

namespace {

enum : uint8_t { kTokenByte = 1, kValueByte = 2, kTargetByte = 4 };

constexpr std::array<uint8_t, 256> MakeBytes() {
  std::array<uint8_t, 256> bytes{};
  for (int byte = 0x20; byte < 0x100; byte++) {
    if (byte != 0x7f) bytes[static_cast<size_t>(byte)] |= kValueByte;
  }
  bytes['\t'] |= kValueByte;
  for (int byte = 0x21; byte < 0x7f; byte++) {
    if (byte != '#') bytes[static_cast<size_t>(byte)] |= kTargetByte;
  }
  for (const char byte : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    bytes[static_cast<uint8_t>(byte)] |= kTokenByte;
  }
  return bytes;
}

constexpr std::array<uint8_t, 256> kBytes = MakeBytes();

bool All(const uint8_t* data, size_t size, uint8_t kind) {
  for (size_t i = 0; i < size; i++) {
    if ((kBytes[data[i]] & kind) == 0) return false;
  }
  return true;
}

// Eight bytes at a time: true when none of them is below 0x20 or 0x7f. A tab is, and is looked at
// again one by one.
bool NoControlByte(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t below = (word - kOnes * 0x20) & ~word;
  const uint64_t is_delete = word ^ (kOnes * 0x7f);
  const uint64_t deleted = (is_delete - kOnes) & ~is_delete;
  return ((below | deleted) & (kOnes * 0x80)) == 0;
}

bool IsValue(const uint8_t* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, sizeof word);
    if (!NoControlByte(word) && !All(data, 8, kValueByte)) return false;
  }
  return All(data, size, kValueByte);
}

HeadError BadByte(const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (data[i] == '\r') return HeadError::kBareCr;
  }
  return HeadError::kControlByte;
}

std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

FieldKind KindOf(std::string_view name) {
  switch (name.size()) {
    case 2: return EqualsIgnoringCase(name, "te") ? FieldKind::kHopByHop : FieldKind::kOther;
    case 4: return EqualsIgnoringCase(name, "host") ? FieldKind::kHost : FieldKind::kOther;
    case 6: return EqualsIgnoringCase(name, "expect") ? FieldKind::kExpect : FieldKind::kOther;
    case 7: return EqualsIgnoringCase(name, "upgrade") ? FieldKind::kUpgrade : FieldKind::kOther;
    case 10:
      if (EqualsIgnoringCase(name, "connection")) return FieldKind::kConnection;
      return EqualsIgnoringCase(name, "keep-alive") ? FieldKind::kHopByHop : FieldKind::kOther;
    case 14:
      return EqualsIgnoringCase(name, "content-length") ? FieldKind::kContentLength
                                                        : FieldKind::kOther;
    case 16:
      return EqualsIgnoringCase(name, "proxy-connection") ? FieldKind::kHopByHop
                                                          : FieldKind::kOther;
    case 17:
      return EqualsIgnoringCase(name, "transfer-encoding") ? FieldKind::kTransferEncoding
                                                           : FieldKind::kOther;
    default: return FieldKind::kOther;
  }
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename Visit>
void ForEachElement(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = Trim(list.substr(0, comma));
    if (!element.empty()) visit(element);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

class Parser {
 public:
  Parser(const uint8_t* data, size_t size, Head* head) : data_(data), size_(size), head_(head) {
    head->Clear();
  }

  bool Request() {
    const size_t line_end = LineEnd(0);
    return RequestLine(line_end - 2) && Fields(line_end) && Meaning() && RequestMeaning();
  }

  bool Response() {
    const size_t line_end = LineEnd(0);
    return StatusLine(line_end - 2) && Fields(line_end) && Meaning();
  }

 private:
  bool Fail(HeadError error) {
    head_->error = error;
    return false;
  }

  std::string_view Slice(size_t begin, size_t length) const { return Text(data_ + begin, length); }
  std::string_view Value(const Field& field) const {
    return Slice(field.value, field.value_length);
  }
  std::string_view Name(const Field& field) const { return Slice(field.line, field.name_length); }

  // After the CRLF of the line that begins there; the scanner has seen that every line has one.
  size_t LineEnd(size_t begin) const {
    const void* lf = std::memchr(data_ + begin, '\n', size_ - begin);
    return static_cast<size_t>(static_cast<const uint8_t*>(lf) - data_) + 1;
  }

  bool RequestLine(size_t end) {
    if (!All(data_, end, kValueByte)) return Fail(BadByte(data_, end));
    const std::string_view line = Slice(0, end);
    const size_t first = line.find(' ');
    const size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return Fail(HeadError::kRequestLine);
    const std::string_view method = line.substr(0, first);
    if (!IsToken(method)) return Fail(HeadError::kRequestLine);
    if (!Version(line.substr(last + 1), HeadError::kRequestLine)) return false;
    head_->method_length = static_cast<uint16_t>(first);
    head_->is_head = method == "HEAD";
    head_->is_connect = method == "CONNECT";
    head_->idempotent = head_->is_head || method == "GET" || method == "PUT" ||
                        method == "DELETE" || method == "OPTIONS" || method == "TRACE";
    return Target(first + 1, last - first - 1, method);
  }

  bool Target(size_t begin, size_t length, std::string_view method) {
    const std::string_view target = Slice(begin, length);
    if (target.empty() || !All(data_ + begin, length, kTargetByte))
      return Fail(HeadError::kTarget);
    SetTarget(begin, length);
    if (head_->is_connect) {
      if (!IsAuthority(target, true)) return Fail(HeadError::kTarget);
      SetAuthority(begin, length);
      return true;
    }
    if (target.front() == '/') return true;
    if (target == "*") return method == "OPTIONS" || Fail(HeadError::kTarget);
    return AbsoluteTarget(begin, target);
  }

  bool AbsoluteTarget(size_t begin, std::string_view target) {
    constexpr std::string_view kScheme = "http://";
    if (target.size() <= kScheme.size()) return Fail(HeadError::kTarget);
    if (!EqualsIgnoringCase(target.substr(0, kScheme.size()), kScheme))
      return Fail(HeadError::kTarget);
    const size_t from = kScheme.size();
    const size_t path = std::min(target.find_first_of("/?", from), target.size());
    if (!IsAuthority(target.substr(from, path - from), false)) return Fail(HeadError::kTarget);
    head_->absolute = true;
    SetAuthority(begin + from, path - from);
    SetTarget(begin + path, target.size() - path);
    return true;
  }

  void SetTarget(size_t begin, size_t length) {
    head_->target = static_cast<uint16_t>(begin);
    head_->target_length = static_cast<uint16_t>(length);
  }
  void SetAuthority(size_t begin, size_t length) {
    head_->authority = static_cast<uint16_t>(begin);
    head_->authority_length = static_cast<uint16_t>(length);
  }

  bool Version(std::string_view text, HeadError otherwise) {
    if (text == "HTTP/1.1") return true;
    head_->http10 = text == "HTTP/1.0";
    if (head_->http10) return true;
    const bool http = text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.';
    return Fail(http ? HeadError::kVersion : otherwise);
  }

  bool StatusLine(size_t end) {
    if (!All(data_, end, kValueByte)) return Fail(BadByte(data_, end));
    const std::string_view line = Slice(0, end);
    if (!Version(line.substr(0, 8), HeadError::kStatusLine)) return false;
    // The space before an empty reason is left out by some servers.
    if (line.size() < 12 || line[8] != ' ') return Fail(HeadError::kStatusLine);
    for (size_t i = 9; i < 12; i++) {
      if (line[i] < '0' || line[i] > '9') return Fail(HeadError::kStatusLine);
      head_->status = head_->status * 10 + (line[i] - '0');
    }
    if (line.size() > 12 && line[12] != ' ') return Fail(HeadError::kStatusLine);
    if (head_->status < 100 || head_->status > 599) return Fail(HeadError::kStatusLine);
    const size_t reason = std::min<size_t>(13, line.size());
    head_->reason = static_cast<uint16_t>(reason);
    head_->reason_length = static_cast<uint16_t>(line.size() - reason);
    return true;
  }

  bool Fields(size_t at) {
    head_->fields_begin = static_cast<uint16_t>(at);
    while (at + 2 < size_) {
      const size_t end = LineEnd(at);
      if (head_->fields.size() == kMostFields) return Fail(HeadError::kTooManyFields);
      if (!FieldLine(at, end)) return false;
      at = end;
    }
    return true;
  }

  bool FieldLine(size_t at, size_t end) {
    if (data_[at] == ' ' || data_[at] == '\t') return Fail(HeadError::kFolded);
    size_t colon = at;
    while ((kBytes[data_[colon]] & kTokenByte) != 0) colon++;
    if (data_[colon] != ':') {
      const bool space = data_[colon] == ' ' || data_[colon] == '\t';
      const std::string_view rest = Slice(colon, end - 2 - colon);
      const size_t next = rest.find_first_not_of(" \t");
      const bool before = space && next != std::string_view::npos && rest[next] == ':';
      return Fail(before ? HeadError::kSpaceBeforeColon : HeadError::kFieldName);
    }
    if (colon == at) return Fail(HeadError::kFieldName);
    const std::string_view value = Slice(colon + 1, end - 2 - (colon + 1));
    if (!IsValue(data_ + colon + 1, value.size()))
      return Fail(BadByte(data_ + colon + 1, value.size()));
    const std::string_view trimmed = Trim(value);
    const size_t skipped = trimmed.empty() ? 0 : static_cast<size_t>(trimmed.data() - value.data());
    const size_t begin = colon + 1 + skipped;
    head_->fields.push_back({static_cast<uint16_t>(at), static_cast<uint16_t>(colon - at),
                             static_cast<uint16_t>(begin), static_cast<uint16_t>(trimmed.size()),
                             static_cast<uint16_t>(end), KindOf(Slice(at, colon - at)), false});
    return true;
  }

  // What the fields say of the connection and of the body.
  bool Meaning() {
    head_->keep_alive = !head_->http10;
    bool has_length = false;
    bool has_coding = false;
    bool connection_upgrade = false;
    bool has_upgrade = false;
    for (Field& field : head_->fields) {
      switch (field.kind) {
        case FieldKind::kOther: break;
        case FieldKind::kContentLength:
          if (has_length || !Length(Value(field))) return Fail(HeadError::kContentLength);
          has_length = true;
          break;
        case FieldKind::kTransferEncoding:
          if (has_coding || head_->http10 || !EqualsIgnoringCase(Value(field), "chunked"))
            return Fail(HeadError::kTransferCoding);
          has_coding = true;
          field.dropped = true;
          break;
        case FieldKind::kConnection:
          field.dropped = true;
          connection_upgrade |= ConnectionOptions(Value(field));
          break;
        case FieldKind::kHopByHop: field.dropped = true; break;
        case FieldKind::kUpgrade:
          // HTTP/2 by this way is long gone (RFC 9113, 3.1): whoever offers it takes HTTP/1.1.
          has_upgrade |= !EqualsIgnoringCase(Value(field), "h2c");
          field.dropped = true;
          break;
        case FieldKind::kExpect:
          head_->expects_continue = EqualsIgnoringCase(Value(field), "100-continue");
          break;
        case FieldKind::kHost:
          if (head_->has_host) return Fail(HeadError::kHostRepeated);
          head_->has_host = true;
          break;
      }
    }
    if (has_length && has_coding) return Fail(HeadError::kLengthAndCoding);
    if (has_length) head_->coding = Coding::kLength;
    if (has_coding) head_->coding = Coding::kChunked;
    head_->upgrade = connection_upgrade && has_upgrade;
    return true;
  }

  // True when "upgrade" is among them.
  bool ConnectionOptions(std::string_view value) {
    bool upgrade = false;
    ForEachElement(value, [&](std::string_view option) {
      if (EqualsIgnoringCase(option, "close")) {
        head_->keep_alive = false;
      } else if (EqualsIgnoringCase(option, "keep-alive")) {
        if (head_->http10) head_->keep_alive = true;
      } else if (EqualsIgnoringCase(option, "upgrade")) {
        upgrade = true;
      } else {
        DropNamed(option);
      }
    });
    return upgrade;
  }

  // Fields that Connection names are for this hop alone. Those that say where a message goes and
  // where it ends are not anybody's to take out.
  void DropNamed(std::string_view option) {
    for (Field& field : head_->fields) {
      if (field.kind != FieldKind::kOther || field.name_length != option.size()) continue;
      const std::string_view name = Name(field);
      const bool same = std::equal(name.begin(), name.end(), option.begin(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == (b >= 'A' && b <= 'Z' ? b | 0x20 : b);
      });
      if (same) field.dropped = true;
    }
  }

  bool Length(std::string_view value) {
    // 18 digits: no overflow, and more than anybody has.
    if (value.empty() || value.size() > 18) return false;
    uint64_t length = 0;
    for (const char digit : value) {
      if (digit < '0' || digit > '9') return false;
      length = length * 10 + static_cast<uint64_t>(digit - '0');
    }
    head_->content_length = length;
    return true;
  }

  bool RequestMeaning() {
    if (!head_->has_host) return head_->http10 || Fail(HeadError::kHostMissing);
    for (const Field& field : head_->fields) {
      if (field.kind != FieldKind::kHost) continue;
      if (field.value_length != 0 && !IsAuthority(Value(field), false))
        return Fail(HeadError::kHostInvalid);
      // The target's authority counts where it has one (RFC 9112, 3.2.2).
      if (!head_->absolute && !head_->is_connect) SetAuthority(field.value, field.value_length);
    }
    return true;
  }

  const uint8_t* data_;
  const size_t size_;
  Head* head_;
};

}  // namespace

bool IsToken(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  return !text.empty() && All(bytes, text.size(), kTokenByte);
}

bool IsTrailerLine(const uint8_t* line, size_t size) {
  size_t colon = 0;
  while (colon < size && (kBytes[line[colon]] & kTokenByte) != 0) colon++;
  if (colon == 0 || colon == size || line[colon] != ':') return false;
  if (!IsValue(line + colon + 1, size - colon - 1)) return false;
  // Fields of framing and routing have no place behind a body (RFC 9110, 6.5.1).
  return KindOf(Text(line, colon)) == FieldKind::kOther;
}

bool ParseRequest(const uint8_t* data, size_t size, Head* head) {
  return Parser(data, size, head).Request();
}

bool ParseResponse(const uint8_t* data, size_t size, Head* head) {
  return Parser(data, size, head).Response();
}

}  // namespace sluice::http
