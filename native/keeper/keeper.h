// The keeper: answers its sessions, watches the proxies' beats, and keeps what it was given.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "keeper/counters.h"
#include "keeper/event_loop.h"
#include "keeper/kernel_maps.h"
#include "keeper/pairs.h"
#include "keeper/pods.h"
#include "keeper/session.h"
#include "keeper/unix_listener.h"

namespace sluice {

struct KeeperOptions {
  std::string socket_path;
  uint64_t pair_limit_bytes = 4 << 20;
  uint64_t give_up_after_ms = 2000;  // without a beat: what waits in listeners is reset
  uint64_t remove_after_ms = 0;      // without a proxy: Sluice leaves the node; 0: never
  int tick_ms = 200;
};

class Keeper {
 public:
  Keeper(const KeeperOptions& options, KernelMaps& maps);
  ~Keeper();

  // Before anything else. False with errno.
  bool Open() { return loop_.Open(); }

  // 0 or -errno. Before it nobody is served and nothing forwarded.
  int Serve();
  // Waits and works, a tick at most.
  void RunOnce();
  // True once a newer keeper has everything.
  bool handed_over() const { return handed_over_; }
  // True when no proxy has been here for so long that Sluice is to leave the node.
  // `last_start_ns`: when the last one began, should it not have come to us yet.
  bool Abandoned(uint64_t last_start_ns) const;

  EventLoop& loop() { return loop_; }
  Pods& pods() { return pods_; }
  Pairs& pairs() { return pairs_; }
  Counters& counters() { return counters_; }

 private:
  void OnAcceptable();
  void OnRequest(Session& session, Request& request);
  void OnClosed(Session& session);
  void Tick();
  // No proxy has been alive for as long as connections are to wait for one.
  bool GivesUp();

  // Each answers one message; the number is the status.
  int Greet(Session& session, const Request& request, std::vector<uint8_t>* reply);
  int PutListeners(Request& request);
  int DropPod(const Request& request);
  int List(Session& session, const Request& request, std::vector<uint8_t>* reply);
  int PutPair(Session& session, Request& request);
  int DropPair(const Request& request);
  int LetGo(const Request& request);
  int Slots(std::vector<uint8_t>* reply);
  int Patience(const Request& request);
  int Takeover(Session& session, const Request& request, std::vector<uint8_t>* reply);
  void SendPairs(Session& session, uint32_t request);

  KeeperOptions options_;
  KernelMaps& maps_;
  Counters counters_;
  EventLoop loop_;
  Pods pods_;
  Pairs pairs_;
  UnixListener listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Session* successor_ = nullptr;  // a newer keeper that takes over
  bool handed_over_ = false;
  bool look_for_vanished_ = false;
  uint64_t last_tick_ns_ = 0;
  uint64_t last_beat_ns_ = 0;
  uint64_t last_session_ns_ = 0;  // when a proxy was last connected
};

}  // namespace sluice
