#include "netns/connections.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace sluice {
namespace {

// TCP_NEW_SYN_RECV is what request sockets are; a listener's own states are left out.
constexpr uint32_t kOpenStates = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV |
                                 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
                                 1 << TCP_LAST_ACK | 1 << TCP_CLOSING;

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

Request MakeRequest(uint16_t type, uint16_t flags, uint8_t family) {
  Request request = {};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  return request;
}

int Send(int fd, const Request& request) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = sendto(fd, &request, sizeof(request), 0,
                              reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  return sent < 0 ? -errno : 0;
}

bool IsLoopback4(uint32_t address) { return (ntohl(address) >> 24) == 127; }

bool IsLoopback(uint8_t family, const uint32_t* address) {
  if (family == AF_INET) return IsLoopback4(address[0]);
  in6_addr v6;
  memcpy(&v6, address, sizeof(v6));
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && IsLoopback4(address[3]));
}

// Takes the messages of one answer. False when it was the last; *error is set when it says one.
bool TakeAnswer(const char* data, size_t size, std::vector<ConnectionName>* names, int* error) {
  auto left = static_cast<unsigned>(size);
  for (auto* header = reinterpret_cast<const nlmsghdr*>(data); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_DONE) return false;
    if (header->nlmsg_type == NLMSG_ERROR) {
      *error = static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
      return false;
    }
    const auto* found = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
    if (names == nullptr || IsLoopback(found->idiag_family, found->id.idiag_src)) continue;
    if (IsLoopback(found->idiag_family, found->id.idiag_dst)) continue;
    names->push_back({found->idiag_family, found->id});
  }
  return true;
}

// Reads until the kernel has said everything. 0 or -errno, the kernel's or the socket's.
int ReadAnswers(int fd, std::vector<ConnectionName>* names) {
  alignas(nlmsghdr) char buffer[32768];
  for (;;) {
    const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -errno;
    int error = 0;
    if (!TakeAnswer(buffer, static_cast<size_t>(size), names, &error)) return error;
  }
}

UniqueFd OpenDiag() {
  return UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
}

}  // namespace

int ListConnectionsHere(std::vector<ConnectionName>* names, std::string* step) {
  *step = "list its connections";
  const UniqueFd diag = OpenDiag();
  if (!diag.valid()) return -errno;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    Request request = MakeRequest(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
    request.body.idiag_states = kOpenStates;
    const int sent = Send(diag.get(), request);
    if (sent != 0) return sent;
    const int result = ReadAnswers(diag.get(), names);
    if (result != 0) return result;
  }
  return 0;
}

int EndConnectionsHere(const std::vector<ConnectionName>& names, uint32_t* ended,
                       std::string* step) {
  *step = "end its connections";
  const UniqueFd diag = OpenDiag();
  if (!diag.valid()) return -errno;
  for (const ConnectionName& name : names) {
    Request request = MakeRequest(SOCK_DESTROY, NLM_F_ACK, static_cast<uint8_t>(name.family));
    request.body.id = name.id;
    const int sent = Send(diag.get(), request);
    if (sent != 0) return sent;
    const int result = ReadAnswers(diag.get(), nullptr);
    if (result == 0) *ended += 1;
    // Gone, or its ports are another socket's by now.
    else if (result != -ENOENT && result != -ESTALE) return result;
  }
  return 0;
}

}  // namespace sluice
