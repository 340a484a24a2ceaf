// One event loop's worth of proxying, without Node: whoever drives it (the libuv driver, a native
// test) calls Turn() again and again, and hands the event ring to policy whenever it is not empty.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "http/engine.h"
#include "reactor/acceptor.h"
#include "reactor/connector.h"
#include "reactor/core.h"
#include "reactor/forwarder.h"
#include "reactor/pairing.h"
#include "reactor/ring.h"

namespace sluice {

struct ReactorConfig {
  int32_t* event_words = nullptr;
  size_t event_word_count = 0;
  int32_t* command_words = nullptr;
  size_t command_word_count = 0;
  Slab slab;
  uint32_t max_connections = 0;
  uint32_t generation = 0;
  uint64_t pair_limit_bytes = 0;
  KernelMapFds maps;
};

struct ConnectionProgress {
  uint64_t proxied[2] = {0, 0};
  uint64_t direct[2] = {0, 0};
};

struct ReactorError {
  int error = 0;
  const char* what = "";
};

class CommandReader;

class Reactor {
 public:
  // Nullptr, with the reason in *error. Ring memory and map descriptors outlive the reactor.
  static std::unique_ptr<Reactor> Create(const ReactorConfig& config,
                                         std::unique_ptr<SocketSource> sockets,
                                         ReactorError* error);

  // A descriptor of the driver's: Turn() returns true while it is readable. 0 or an errno.
  int WatchOutside(int fd);

  // Runs what stands in the command ring. Not from within Turn().
  void RunCommands();

  // Runs commands, waits up to timeout_ms (-1: until something happens) if there is nothing to do,
  // and does one bounded round of work. True: the driver's own descriptor wants attention, or
  // policy is too slow.
  bool Turn(int timeout_ms);

  bool has_events() const { return core_.events.has_events(); }
  const Stats& stats() const { return core_.stats; }
  uint32_t open_connections() const { return core_.table.size(); }

  // Client's and server's descriptor of a paired connection, which from now on others may hold too.
  // False when it is not paired.
  bool ShareFds(int32_t id, std::pair<int, int>* fds);

  // Bytes so far, by the side that sent them: through here, and past us. Zeros when it has ended.
  ConnectionProgress ProgressOf(int32_t id) const;

 private:
  Reactor(const ReactorConfig& config, std::unique_ptr<SocketSource> sockets);

  void Run(const CommandRecord& record);
  bool RunConnection(const CommandRecord& record);
  bool RunHttp(const CommandRecord& record);
  bool Text(CommandReader* read, std::string_view* text);
  bool RunClose(Connection* connection, int how);
  void SetTimer(int32_t id, int32_t ms);
  void SetIdle(Connection* connection, uint32_t idle_ms);

  void Wait(int timeout_ms);
  void Handle(const epoll_event& event);
  void Mark(PollTag tag, uint32_t events);
  void FireTimers();
  void ConnectionTimer(int32_t id);
  void ServeReady();
  static bool IsHttp(const Connection* connection);
  int64_t Serve(ReadyItem* item, int64_t allowance);

  const Slab slab_;
  Core core_;
  CommandRing commands_;
  Pairing pairing_;
  Forwarder forwarder_;
  Acceptor acceptor_;
  Connector connector_;
  http::Engine http_;
  std::unordered_map<int32_t, std::unique_ptr<Timer>> command_timers_;
  bool outside_ready_ = false;
};

}  // namespace sluice
