// The head of an HTTP/1.1 message, read strictly: what two parsers could understand differently is
// refused, because that is what request smuggling lives on. RFC 9112 where nothing else is said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::http {

// Why a message is refused. The numbers are those of protocol.h's MessageError.
enum class HeadError : uint8_t {
  kNone = 0,
  kBareLf = 1,            // a line that ends without CR
  kBareCr = 2,            // a CR that ends no line
  kControlByte = 3,       // NUL and other control bytes
  kRequestLine = 4,       // not "METHOD SP target SP HTTP/1.x"
  kStatusLine = 5,        // not "HTTP/1.x SP 3DIGIT SP reason"
  kVersion = 6,           // HTTP, but not 1.0 or 1.1
  kTarget = 7,            // a request target that is none of the four forms
  kFieldName = 8,         // empty, or with a byte that no name may have
  kSpaceBeforeColon = 9,  // "Name : value"
  kFolded = 10,           // a line that goes on with the one before (obs-fold)
  kContentLength = 11,    // not a number, repeated, or in conflict
  kLengthAndCoding = 12,  // Content-Length beside Transfer-Encoding
  kTransferCoding = 13,   // any other than one "chunked"; or with HTTP/1.0
  kHostMissing = 14,
  kHostRepeated = 15,
  kHostInvalid = 16,
  kTooLarge = 17,      // more bytes than allowed without the head's end
  kTooManyFields = 18,
  kChunkSize = 19,
  kChunkExtension = 20,  // malformed or endless
  kChunkEnd = 21,        // no CRLF after a chunk's data
  kTrailer = 22,
  kTimeout = 23,         // the head did not come in time
  kUpgrade = 24,         // 101 or a tunnel that nobody asked for
  kTruncated = 25,       // ended inside the head
};

constexpr uint32_t kMostFields = 256;
constexpr uint32_t kMostHeadBytes = 60 * 1024;

// What the proxy itself has to know of a field.
enum class FieldKind : uint8_t {
  kOther,
  kConnection,
  kContentLength,
  kExpect,
  kHost,
  kHopByHop,  // never forwarded: Keep-Alive, Proxy-Connection, TE
  kTransferEncoding,
  kUpgrade,
};

// One field line; offsets into the head.
struct Field {
  uint16_t line;  // where its line begins
  uint16_t name_length;
  uint16_t value;
  uint16_t value_length;
  uint16_t line_end;  // after its CRLF
  FieldKind kind;
  bool dropped;  // hop-by-hop: not for the next hop
};

enum class Coding : uint8_t { kNone, kLength, kChunked };

struct Head {
  HeadError error = HeadError::kNone;
  bool http10 = false;
  bool keep_alive = true;    // what version and Connection say
  bool upgrade = false;      // Connection: upgrade, with an Upgrade field
  bool expects_continue = false;
  bool has_host = false;
  bool absolute = false;     // the target was in absolute form
  bool is_head = false;
  bool is_connect = false;
  bool idempotent = false;
  Coding coding = Coding::kNone;
  uint64_t content_length = 0;
  int status = 0;
  // Into the head's bytes.
  uint16_t method_length = 0;
  uint16_t target = 0;  // the origin form's part; all of it otherwise
  uint16_t target_length = 0;
  uint16_t authority = 0;
  uint16_t authority_length = 0;
  uint16_t reason = 0;
  uint16_t reason_length = 0;
  uint16_t fields_begin = 0;
  std::vector<Field> fields;

  void Clear();
};

// Looks for the end of a head as it comes in, line by line and no byte twice.
class HeadScanner {
 public:
  // Bytes of a whole head (with its empty line) at the beginning of data, 0 when more must come, or
  // -1 with the reason in error(). `data` is what was seen before and more.
  int32_t Scan(const uint8_t* data, size_t size, size_t most_bytes);
  // Empty lines in front of a request line, which belong to nothing.
  uint32_t skipped() const { return skipped_; }
  HeadError error() const { return error_; }
  void Reset() { *this = HeadScanner(); }

 private:
  uint32_t line_ = 0;  // where the unfinished line begins
  uint32_t seen_ = 0;
  uint32_t skipped_ = 0;
  HeadError error_ = HeadError::kNone;
};

// Both want a whole head, as the scanner found it. False with the reason in head->error.
bool ParseRequest(const uint8_t* data, size_t size, Head* head);
bool ParseResponse(const uint8_t* data, size_t size, Head* head);

// One field line of a trailer section, without its CRLF.
bool IsTrailerLine(const uint8_t* line, size_t size);

bool EqualsIgnoringCase(std::string_view left, std::string_view lower_case_right);
bool IsToken(std::string_view text);

}  // namespace sluice::http
