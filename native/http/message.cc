#include "http/message.h"

#include "http/chunked.h"

namespace sluice::http {

namespace {

constexpr size_t kEditHeadBytes = 4;

bool IsKnown(uint8_t operation) {
  return (operation >= kEditRequestRemove && operation <= kEditAuthority) ||
         (operation >= kEditResponseRemove && operation <= kEditResponseAdd);
}

bool IsCleanValue(std::string_view value) {
  for (const char byte : value) {
    const auto code = static_cast<uint8_t>(byte);
    if ((code < 0x20 && code != '\t') || code == 0x7f) return false;
  }
  return true;
}

bool IsCleanTarget(std::string_view value) {
  for (const char byte : value) {
    const auto code = static_cast<uint8_t>(byte);
    if (code <= 0x20 || code == 0x7f) return false;
  }
  return !value.empty();
}

std::string_view Slice(const uint8_t* bytes, size_t begin, size_t length) {
  return {reinterpret_cast<const char*>(bytes) + begin, length};
}

void AddField(std::string_view name, std::string_view value, Output* out) {
  out->Add(name);
  out->Add(": ");
  out->Add(value);
  out->Add("\r\n");
}

// The fields that stay, in their order, in as few pieces as there are gaps; then what is added.
template <typename Keep>
void WriteFields(const uint8_t* bytes, const Head& head, const Edits& edits, bool response,
                 Keep keep, Output* out) {
  size_t begin = head.fields_begin;
  size_t end = begin;
  for (const Field& field : head.fields) {
    const bool removed =
        !edits.empty() && edits.Removes(Slice(bytes, field.line, field.name_length), response);
    if (!removed && keep(field)) {
      end = field.line_end;
      continue;
    }
    out->Add(bytes + begin, end - begin);
    begin = field.line_end;
    end = begin;
  }
  out->Add(bytes + begin, end - begin);
  if (edits.empty()) return;
  const uint8_t set = response ? kEditResponseSet : kEditRequestSet;
  const uint8_t add = response ? kEditResponseAdd : kEditRequestAdd;
  edits.ForEach([&](const Edit& edit) {
    if (edit.operation == set || edit.operation == add) AddField(edit.name, edit.value, out);
  });
}

void WriteUpgradeFields(const uint8_t* bytes, const Head& head, Output* out) {
  out->Add("connection: upgrade\r\n");
  for (const Field& field : head.fields) {
    if (field.kind != FieldKind::kUpgrade) continue;
    out->Add(bytes + field.line, static_cast<size_t>(field.line_end - field.line));
  }
}

}  // namespace

void Output::AddNumber(uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  Add(digits + at, sizeof digits - at);
}

void Output::AddChunk(const uint8_t* data, size_t size) {
  uint8_t head[kChunkHeadBytes];
  Add(head, WriteChunkHead(head, size));
  Add(data, size);
  Add("\r\n");
}

size_t Edits::Read(size_t at, Edit* edit) const {
  const uint8_t* record = data_ + at;
  const size_t name_length = record[1];
  const size_t value_length = record[2] | static_cast<size_t>(record[3]) << 8;
  *edit = {record[0], Slice(record, kEditHeadBytes, name_length),
           Slice(record, kEditHeadBytes + name_length, value_length)};
  return kEditHeadBytes + name_length + value_length;
}

bool Edits::IsValid() const {
  for (size_t at = 0; at < size_;) {
    if (size_ - at < kEditHeadBytes) return false;
    const uint8_t* record = data_ + at;
    const size_t length = kEditHeadBytes + record[1] + (record[2] | size_t{record[3]} << 8);
    if (length > size_ - at || !IsKnown(record[0])) return false;
    Edit edit;
    at += Read(at, &edit);
    const bool whole_line = edit.operation == kEditTarget || edit.operation == kEditAuthority;
    if (whole_line ? !IsCleanTarget(edit.value) : !IsToken(edit.name)) return false;
    if (!IsCleanValue(edit.value)) return false;
  }
  return true;
}

std::string_view Edits::Last(uint8_t operation) const {
  std::string_view last;
  ForEach([&](const Edit& edit) {
    if (edit.operation == operation) last = edit.value;
  });
  return last;
}

bool Edits::Removes(std::string_view name, bool response) const {
  const uint8_t remove = response ? kEditResponseRemove : kEditRequestRemove;
  const uint8_t set = response ? kEditResponseSet : kEditRequestSet;
  bool found = false;
  ForEach([&](const Edit& edit) {
    if (edit.operation != remove && edit.operation != set) return;
    found |= EqualsIgnoringCase(name, edit.name);
  });
  return found;
}

void WriteRequestHead(const uint8_t* bytes, const Head& head, const Edits& edits, Output* out) {
  out->Add(bytes, size_t{head.method_length} + 1u);
  std::string_view target = edits.Last(kEditTarget);
  if (target.data() == nullptr) target = Slice(bytes, head.target, head.target_length);
  // "http://host" and "http://host?query" have no path of their own.
  if (target.empty() || target.front() == '?') out->Add("/");
  out->Add(target);
  const bool old_style = head.http10 && !head.has_host && !head.absolute;
  out->Add(old_style ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  std::string_view authority = edits.Last(kEditAuthority);
  if (authority.data() == nullptr && head.absolute)
    authority = Slice(bytes, head.authority, head.authority_length);
  const bool own_host = authority.data() != nullptr;
  if (own_host) AddField("Host", authority, out);
  WriteFields(
      bytes, head, edits, false,
      [&](const Field& field) {
        return !field.dropped && !(own_host && field.kind == FieldKind::kHost);
      },
      out);
  if (head.upgrade) WriteUpgradeFields(bytes, head, out);
  if (head.coding == Coding::kChunked) out->Add("transfer-encoding: chunked\r\n");
  out->Add("\r\n");
}

void WriteResponseHead(const uint8_t* bytes, const Head& head, const Edits& edits,
                       const ResponseStyle& style, Output* out) {
  out->Add("HTTP/1.1 ");
  out->AddNumber(static_cast<uint64_t>(head.status));
  out->Add(" ");
  out->Add(bytes + head.reason, head.reason_length);
  out->Add("\r\n");
  const bool no_length = head.status == 204 || head.status < 200 || style.chunked;
  WriteFields(
      bytes, head, edits, true,
      [&](const Field& field) {
        return !field.dropped && !(no_length && field.kind == FieldKind::kContentLength);
      },
      out);
  if (style.tunnel) WriteUpgradeFields(bytes, head, out);
  if (style.chunked) out->Add("transfer-encoding: chunked\r\n");
  if (style.close) out->Add("connection: close\r\n");
  if (style.keep_alive) out->Add("connection: keep-alive\r\n");
  out->Add("\r\n");
}

void WriteOwnResponse(int status, std::string_view fields, std::string_view body, bool close,
                      bool without_body, Output* out) {
  out->Add("HTTP/1.1 ");
  out->AddNumber(static_cast<uint64_t>(status));
  out->Add(" ");
  out->Add(ReasonPhrase(status));
  out->Add("\r\n");
  out->Add(fields);
  if (status >= 200 && status != 204 && status != 304) {
    out->Add("content-length: ");
    out->AddNumber(body.size());
    out->Add("\r\n");
  }
  if (close) out->Add("connection: close\r\n");
  out->Add("\r\n");
  if (!without_body) out->Add(body);
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

}  // namespace sluice::http
