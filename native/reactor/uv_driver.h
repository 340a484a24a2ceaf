// Runs a reactor inside a libuv loop (Node's). The reactor's epoll contains libuv's own, and
// sleeping happens in one place: in the reactor, from libuv's prepare phase. libuv then polls
// without waiting.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>

#include "reactor/reactor.h"

namespace sluice {

class UvDriver {
 public:
  // `on_events` runs while the event ring is not empty, and has to read all of it. 0 or -errno.
  static int Start(uv_loop_t* loop, std::unique_ptr<Reactor> reactor,
                   std::function<void()> on_events, std::unique_ptr<UvDriver>* out);
  ~UvDriver();

  Reactor& reactor() { return *reactor_; }

  // Ends all connections; no call of on_events comes after it. `closed` runs once libuv has let go
  // of the driver, which may then be deleted.
  void Close(std::function<void()> closed);

 private:
  UvDriver(uv_loop_t* loop, std::unique_ptr<Reactor> reactor, std::function<void()> on_events);

  void Prepare();
  bool LoopHasWork() const;
  void HandleClosed();

  uv_loop_t* loop_;
  std::unique_ptr<Reactor> reactor_;
  std::function<void()> on_events_;
  std::function<void()> closed_;
  uv_prepare_t prepare_ = {};
  uv_idle_t idle_ = {};
  int open_handles_ = 0;
  bool running_ = false;
  bool closing_ = false;
};

}  // namespace sluice
