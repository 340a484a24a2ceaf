// Moves bytes between the two sockets of a connection.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "reactor/core.h"
#include "reactor/pairing.h"

namespace sluice {

class Forwarder {
 public:
  Forwarder(Core* core, Pairing* pairing);

  // Goes on where it can, in both directions, and stops when drained, blocked or out of allowance;
  // then it stands in its pod's queue again. May end the connection. Returns the cost: bytes, and
  // one for the calls.
  int64_t Serve(Connection* connection, int64_t allowance);

 private:
  enum class Outcome { kWaits, kMore, kGone };

  Outcome Pump(Connection* connection, Side from, int64_t allowance, int64_t* moved);
  Outcome Move(Connection* connection, Side from, int64_t allowance, int64_t* moved);
  // Bytes taken by the socket (0: it is full, or held), or -1: the connection was ended.
  int64_t Send(Connection* connection, Side from, const uint8_t* data, uint32_t size);
  bool Blocked(Connection* connection, Side from, int error);
  void WaitForDrain(Connection* connection, Side from);
  bool RetryLater(Connection* connection, Side from);
  Outcome FlushPending(Connection* connection, Side from, int64_t* moved);
  ssize_t Receive(Connection* connection, Side from, ssize_t size);
  Outcome Received(Connection* connection, Side from, int64_t size, int64_t* moved);
  bool EndIfFailed(Connection* connection, const Outcome outcomes[2]);
  void EndByReset(Connection* connection, Side side, int error);

  Core* core_;
  Pairing* pairing_;
  std::unique_ptr<uint8_t[]> buffer_;
};

}  // namespace sluice
