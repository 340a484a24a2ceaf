// The lab with HTTP at its listener: every request goes to one endpoint.
#pragma once

#include <string>

#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {

inline void SendText(const UniqueFd& fd, const std::string& text) {
  SendAll(fd.get(), text.data(), text.size());
}

struct HttpLab {
  explicit HttpLab(const LabOptions& options = {})
      : lab(options), front(ListenLoopback(AF_INET)), back(ListenLoopback(AF_INET)) {
    lab.on_accept = [this](const EventRecord& event) {
      lab.Command(kCommandHttp, {event.words[kConn], 0, head_timeout_ms, 0, 60'000});
    };
    lab.on_request = [this](const EventRecord& event) { Forward(event.words[0], 1); };
    lab.on_attempt_failed = [this](const EventRecord& event) {
      lab.Command(kCommandRespond, {event.words[0], fallback_status, 0, 0, 0, 0, 0});
    };
    const SocketAddress to = AddressOf(back.get());
    std::vector<int32_t> words{1, 1, 0};
    auto address = [&](const sluice_addr& addr) {
      for (const uint32_t word : addr.word) words.push_back(static_cast<int32_t>(word));
    };
    address({});
    address(to.addr);
    words.push_back(to.port);
    words.push_back(5'000);
    address({});
    words.push_back(0);
    words.push_back(60'000);
    words.push_back(64);
    lab.Do([&] { lab.Command(kCommandEndpoint, words); });
    lab.Listen(1, front.get());
  }

  void Forward(int32_t stream, int32_t attempt) {
    lab.Command(kCommandForward,
                {stream, 1, attempt, 0, 0, 0, static_cast<int32_t>(mask), 0, timeout_ms});
  }
  UniqueFd Open(int32_t head_timeout = 0) {
    lab.Do([&] { head_timeout_ms = head_timeout; });
    return ConnectTo(AddressOf(front.get()));
  }
  UniqueFd Accept() { return AcceptFrom(back.get()); }

  int32_t head_timeout_ms = 0;
  int32_t timeout_ms = 0;
  int32_t fallback_status = 503;
  uint32_t mask = 0;
  Lab lab;
  UniqueFd front;
  UniqueFd back;
};

}  // namespace sluice::test
