#include "http/authority.h"

#include <cstddef>

namespace sluice::http {

namespace {

bool IsAlphanumeric(char byte) {
  return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

bool IsNameByte(char byte) {
  return IsAlphanumeric(byte) ||
         std::string_view("-._~%!$&'()*+,;=").find(byte) != std::string_view::npos;
}

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int port = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    port = port * 10 + (digit - '0');
  }
  return port <= 65'535;
}

bool IsBracketed(std::string_view text) {
  if (text.size() < 4 || text.front() != '[' || text.back() != ']') return false;
  for (const char byte : text.substr(1, text.size() - 2)) {
    const bool hex = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
    if (!hex && byte != ':' && byte != '.') return false;
  }
  return true;
}

}  // namespace

bool IsAuthority(std::string_view text, bool with_port) {
  const size_t bracket = text.rfind(']');
  const size_t from = bracket == std::string_view::npos ? 0 : bracket;
  const size_t colon = text.find(':', from);
  const std::string_view host = text.substr(0, colon);
  if (colon == std::string_view::npos) {
    if (with_port) return false;
  } else if (!IsPort(text.substr(colon + 1))) {
    return false;
  }
  if (host.empty()) return false;
  if (host.front() == '[') return IsBracketed(host);
  for (const char byte : host) {
    if (!IsNameByte(byte)) return false;
  }
  return true;
}

}  // namespace sluice::http
