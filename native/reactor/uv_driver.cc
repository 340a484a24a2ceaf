#include "reactor/uv_driver.h"

#include <utility>

namespace sluice {

static_assert(UV_VERSION_MAJOR == 1, "LoopHasWork() looks into uv_loop_t");

UvDriver::UvDriver(uv_loop_t* loop, std::unique_ptr<Reactor> reactor,
                   std::function<void()> on_events)
    : loop_(loop), reactor_(std::move(reactor)), on_events_(std::move(on_events)) {}

UvDriver::~UvDriver() = default;

int UvDriver::Start(uv_loop_t* loop, std::unique_ptr<Reactor> reactor,
                    std::function<void()> on_events, std::unique_ptr<UvDriver>* out) {
  if (const int error = reactor->WatchOutside(uv_backend_fd(loop))) return -error;
  std::unique_ptr<UvDriver> driver(new UvDriver(loop, std::move(reactor), std::move(on_events)));
  // The prepare handle keeps the process alive, as a listening server would; the other must not.
  uv_prepare_init(loop, &driver->prepare_);
  uv_idle_init(loop, &driver->idle_);
  driver->prepare_.data = driver.get();
  driver->idle_.data = driver.get();
  driver->open_handles_ = 2;
  uv_unref(reinterpret_cast<uv_handle_t*>(&driver->idle_));
  uv_prepare_start(&driver->prepare_,
                   [](uv_prepare_t* prepare) { static_cast<UvDriver*>(prepare->data)->Prepare(); });
  *out = std::move(driver);
  return 0;
}

// Descriptors that callbacks began to watch reach libuv's epoll only when it polls: who sleeps
// before that sleeps through them. uv_backend_timeout() does not say so, the queue itself does.
bool UvDriver::LoopHasWork() const { return loop_->watcher_queue.next != &loop_->watcher_queue; }

void UvDriver::Prepare() {
  // An active idle handle makes libuv poll without waiting; for the question how long it would have
  // waited, it steps aside.
  uv_idle_stop(&idle_);
  running_ = true;
  for (;;) {
    uv_update_time(loop_);
    const int timeout_ms = LoopHasWork() ? 0 : uv_backend_timeout(loop_);
    const bool outside = reactor_->Turn(timeout_ms);
    if (reactor_->has_events()) on_events_();
    if (closing_) break;
    // Whatever on_events() left behind is due at the next turn's timeout. Nothing for libuv:
    // another turn, which saves its poll.
    if (outside || timeout_ms == 0) break;
  }
  running_ = false;
  if (closing_) return reactor_.reset();
  uv_idle_start(&idle_, [](uv_idle_t*) {});
}

void UvDriver::Close(std::function<void()> closed) {
  if (closing_) return;
  closing_ = true;
  closed_ = std::move(closed);
  // From within on_events(), Prepare() is still using it.
  if (!running_) reactor_.reset();
  auto on_closed = [](uv_handle_t* handle) {
    static_cast<UvDriver*>(handle->data)->HandleClosed();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), on_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), on_closed);
}

void UvDriver::HandleClosed() {
  if (--open_handles_ != 0) return;
  // The callback deletes this.
  const std::function<void()> closed = std::move(closed_);
  closed();
}

}  // namespace sluice
