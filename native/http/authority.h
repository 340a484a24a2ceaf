// Host and port as they stand in Host fields, absolute targets and CONNECT.
#pragma once

#include <string_view>

namespace sluice::http {

// A registered name, an IPv4 address or an IPv6 address in brackets, with a port or without (RFC
// 3986, 3.2.2, without user information). `with_port`: there must be one.
bool IsAuthority(std::string_view text, bool with_port);

}  // namespace sluice::http
