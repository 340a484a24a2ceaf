#include "test/reactor_lab.h"

#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "test/check.h"

namespace sluice::test {

namespace {

constexpr uint32_t kSlabBytes = 1 << 20;

}  // namespace

OwnSockets::OwnSockets() : notification_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

int OwnSockets::AddNamespace(uint32_t netns, int, uint32_t) { return netns == 1 ? -EEXIST : 0; }

void OwnSockets::RemoveNamespace(uint32_t) {}

int OwnSockets::Take(uint32_t netns, bool ipv6) {
  if (netns != 1) return -ENOENT;
  if (ready_ == 0 || (ipv6 && none_of_ipv6_)) return -EAGAIN;
  if (ready_ > 0) ready_--;
  const int one = 1;
  const int fd =
      socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return -errno;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  return fd;
}

void OwnSockets::Notify(const SocketNotice& notice) {
  notices_.push_back(notice);
  eventfd_write(notification_.get(), 1);
}

void OwnSockets::TakeNotices(std::vector<SocketNotice>& out) {
  eventfd_t value;
  eventfd_read(notification_.get(), &value);
  out = std::exchange(notices_, {});
}

Lab::Lab(const LabOptions& options)
    : events_(kRingHeaderWords + options.event_capacity),
      commands_(kRingHeaderWords + options.command_capacity),
      slab_(kSlabBytes),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  events_[2] = static_cast<int32_t>(options.event_capacity);
  commands_[2] = static_cast<int32_t>(options.command_capacity);
  on_accept = [this](const EventRecord& event) { Connect(event.words[kConn], 1, target); };
  on_connect_failed = [this](const EventRecord& event) {
    Command(kCommandClose, {event.words[kConn], kCloseReset});
  };
  ReactorConfig config;
  config.event_words = events_.data();
  config.event_word_count = events_.size();
  config.command_words = commands_.data();
  config.command_word_count = commands_.size();
  config.slab = {slab_.data(), kSlabBytes};
  config.max_connections = options.max_connections;
  config.generation = options.generation;
  config.pair_limit_bytes = options.pair_limit_bytes;
  config.maps = options.maps;
  auto sockets = std::make_unique<OwnSockets>();
  sockets_ = sockets.get();
  ReactorError error;
  reactor_ = Reactor::Create(config, std::move(sockets), &error);
  if (reactor_ == nullptr) fprintf(stderr, "reactor: %s: %s\n", error.what, strerror(error.error));
  CHECK(reactor_ != nullptr);
  CHECK_EQ(reactor_->WatchOutside(wake_.get()), 0);
  thread_ = std::thread([this] { Run(); });
}

Lab::~Lab() {
  Do([this] { stop_ = true; });
  thread_.join();
}

void Lab::Run() {
  while (!stop_) {
    reactor_->Turn(-1);
    if (read_events) ReadEvents();
    std::deque<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(work_);
    }
    // What policy has just ordered comes first, so that the test sees its effect.
    reactor_->RunCommands();
    for (const auto& one : work) one();
    reactor_->RunCommands();
    if (work.empty()) continue;
    eventfd_t value;
    eventfd_read(wake_.get(), &value);
    const std::lock_guard lock(mutex_);
    work_done_ += work.size();
    if (!work_.empty()) eventfd_write(wake_.get(), 1);
    changed_.notify_all();
  }
  reactor_.reset();
}

void Lab::Do(const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  work_.push_back(work);
  const uint64_t mine = ++work_given_;
  eventfd_write(wake_.get(), 1);
  changed_.wait(lock, [&] { return work_done_ >= mine || stop_; });
}

void Lab::ReadEvents() {
  for (;;) {
    const uint32_t head = static_cast<uint32_t>(events_[0]);
    if (head == static_cast<uint32_t>(events_[1])) return;
    const int32_t* record =
        events_.data() + kRingHeaderWords + (head & (static_cast<uint32_t>(events_[2]) - 1));
    const uint32_t length = static_cast<uint32_t>(record[0]) >> 8;
    EventRecord event{record[0] & 0xff, {record + 1, record + length}};
    events_[0] = static_cast<int32_t>(head + length);
    if (event.type != kEventPad) Dispatch(std::move(event));
  }
}

void Lab::Dispatch(EventRecord event) {
  if (event.type == kEventAccept && on_accept) on_accept(event);
  if (event.type == kEventConnectFailed && on_connect_failed) on_connect_failed(event);
  if (event.type == kEventConnected && on_connected) on_connected(event);
  if (event.type == kEventRequest && on_request) on_request(event);
  if (event.type == kEventResponseHead && on_response_head) on_response_head(event);
  if (event.type == kEventReset && on_attempt_failed) on_attempt_failed(event);
  if (event.type == kEventOpaque && on_opaque) on_opaque(event);
  const std::lock_guard lock(mutex_);
  counts_[event.type]++;
  // The tests with many thousand connections look at DONE alone.
  if (seen_.size() < 20'000 || event.type == kEventDone) seen_.push_back(std::move(event));
  changed_.notify_all();
}

void Lab::Command(int type, const std::vector<int32_t>& payload) {
  const uint32_t length = static_cast<uint32_t>(payload.size()) + 1;
  const uint32_t capacity = static_cast<uint32_t>(commands_[2]);
  if (capacity - (static_cast<uint32_t>(commands_[1]) - static_cast<uint32_t>(commands_[0])) <
      2 * length) {
    reactor_->RunCommands();
  }
  uint32_t tail = static_cast<uint32_t>(commands_[1]);
  const uint32_t to_end = capacity - (tail & (capacity - 1));
  if (to_end < length) {
    commands_[kRingHeaderWords + (tail & (capacity - 1))] = static_cast<int32_t>(to_end << 8);
    tail += to_end;
  }
  int32_t* record = commands_.data() + kRingHeaderWords + (tail & (capacity - 1));
  record[0] = static_cast<int32_t>(static_cast<uint32_t>(type) | length << 8);
  std::copy(payload.begin(), payload.end(), record + 1);
  commands_[1] = static_cast<int32_t>(tail + length);
}

int32_t Lab::Place(const std::string& bytes) {
  if (placed_ + bytes.size() > kSlabBytes / 2) placed_ = 0;
  const uint32_t at = kSlabBytes / 2 + placed_;
  memcpy(slab_.data() + at, bytes.data(), bytes.size());
  placed_ += static_cast<uint32_t>(bytes.size());
  return static_cast<int32_t>(at);
}

std::string Lab::Slab(int32_t offset, int32_t length) const {
  return {reinterpret_cast<const char*>(slab_.data()) + offset, static_cast<size_t>(length)};
}

void Lab::Raw(const std::vector<int32_t>& words) {
  const uint32_t capacity = static_cast<uint32_t>(commands_[2]);
  uint32_t tail = static_cast<uint32_t>(commands_[1]);
  for (const int32_t word : words) {
    commands_[kRingHeaderWords + (tail++ & (capacity - 1))] = word;
  }
  commands_[1] = static_cast<int32_t>(tail);
}

void Lab::Connect(int32_t conn, int32_t attempt, const SocketAddress& to, uint32_t timeout_ms,
                  const sluice_addr& source, uint32_t netns) {
  std::vector<int32_t> words{conn, attempt, static_cast<int32_t>(netns), 0};
  auto address = [&](const sluice_addr& addr) {
    for (const uint32_t word : addr.word) words.push_back(static_cast<int32_t>(word));
  };
  address(source);
  address(to.addr);
  words.push_back(to.port);
  words.push_back(static_cast<int32_t>(timeout_ms));
  address({});
  words.push_back(0);
  words.push_back(leg_flags);
  Command(kCommandConnect, words);
}

void Lab::Listen(int32_t number, int fd, int32_t pod, int32_t direction, int32_t max_connections,
                 int32_t max_buffered_bytes) {
  Do([&] {
    Command(kCommandListen, {number, fd, pod, 0, direction, max_connections, max_buffered_bytes});
  });
}

EventRecord Lab::Expect(int type, const std::function<bool(const EventRecord&)>& matches) {
  std::unique_lock lock(mutex_);
  EventRecord found{-1, {}};
  const bool in_time = changed_.wait_for(lock, std::chrono::seconds(10), [&] {
    for (auto at = seen_.begin(); at != seen_.end(); ++at) {
      if (at->type != type || (matches && !matches(*at))) continue;
      found = *at;
      seen_.erase(at);
      return true;
    }
    return false;
  });
  if (!in_time) fprintf(stderr, "no event of type %d came\n", type);
  CHECK(in_time);
  return found;
}

void Lab::ExpectIdle() {
  WaitUntil("all connections to end", [this] {
    uint32_t open = 1;
    Do([&] { open = reactor_->open_connections(); });
    return open == 0;
  });
}

size_t Lab::Count(int type) {
  const std::lock_guard lock(mutex_);
  return counts_[type];
}

Stats Lab::ReadStats() {
  Stats stats;
  Do([&] { stats = reactor_->stats(); });
  return stats;
}

namespace {

void SetTimeouts(int fd) {
  const timeval limit{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

UniqueFd ListenLoopback(int family, int backlog) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(fd.valid());
  SocketAddress address;
  if (family == AF_INET) {
    address.addr = {{0, 0, htonl(0xffff), htonl(INADDR_LOOPBACK)}};
  } else {
    address.addr = {{0, 0, 0, htonl(1)}};
  }
  sockaddr_storage storage;
  const socklen_t length = ToSockaddr(address, &storage);
  CHECK_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  CHECK_EQ(listen(fd.get(), backlog), 0);
  SetTimeouts(fd.get());
  return fd;
}

SocketAddress AddressOf(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  CHECK_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length), 0);
  SocketAddress address;
  CHECK(FromSockaddr(storage, &address));
  return address;
}

UniqueFd ConnectTo(const SocketAddress& to, int receive_buffer) {
  sockaddr_storage storage;
  const socklen_t length = ToSockaddr(to, &storage);
  UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(fd.valid());
  if (receive_buffer != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  SetTimeouts(fd.get());
  CHECK_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  return fd;
}

UniqueFd AcceptFrom(int listener) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(fd.valid());
  SetTimeouts(fd.get());
  return fd;
}

void SendAll(int fd, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    CHECK(sent > 0);
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
}

std::string ReceiveExactly(int fd, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t received = recv(fd, bytes.data() + have, size - have, 0);
    CHECK(received > 0);
    have += static_cast<size_t>(received);
  }
  return bytes;
}

std::string ReceiveToEnd(int fd, int* error) {
  std::string bytes;
  char buffer[65536];
  for (;;) {
    const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received == 0) return bytes;
    if (received < 0) {
      CHECK(error != nullptr);
      *error = errno;
      return bytes;
    }
    bytes.append(buffer, static_cast<size_t>(received));
  }
}

void SetLingerZero(int fd) {
  const linger at_once{1, 0};
  CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
}

void WaitUntil(const char* what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      fprintf(stderr, "waited in vain for %s\n", what);
      exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

uint64_t Random::Next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t x = state_;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t Pattern::Word(uint64_t index) const {
  return Random(seed_ + index * 0x632be59bd9b4e019).Next();
}

void Pattern::Fill(uint8_t* data, size_t size, uint64_t offset) const {
  for (size_t i = 0; i < size;) {
    const uint64_t word = Word((offset + i) / 8);
    const size_t skip = (offset + i) % 8;
    const size_t count = std::min(8 - skip, size - i);
    memcpy(data + i, reinterpret_cast<const uint8_t*>(&word) + skip, count);
    i += count;
  }
}

int64_t Pattern::Check(const uint8_t* data, size_t size, uint64_t offset) const {
  for (size_t i = 0; i < size;) {
    const uint64_t word = Word((offset + i) / 8);
    const size_t skip = (offset + i) % 8;
    const size_t count = std::min(8 - skip, size - i);
    if (memcmp(data + i, reinterpret_cast<const uint8_t*>(&word) + skip, count) != 0) {
      return static_cast<int64_t>(offset + i);
    }
    i += count;
  }
  return -1;
}

}  // namespace sluice::test
