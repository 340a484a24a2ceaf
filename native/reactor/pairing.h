// Full acceleration: the apps' sockets paired in the kernel, and flow control towards an app whose
// receive queue is filled by redirection, which TCP does not limit. The protocol with the verdict
// program:
//   - bytes of a direction may go past us only while busy is 0, P1's queue is empty and everything
//   that the
//     app sent has been read by us (the program checks the last two itself);
//   - we set busy, with a full barrier, before we read, and clear it when all that was read is
//   passed on.
#pragma once

#include <cstdint>

#include "reactor/core.h"

namespace sluice {

class Pairing {
 public:
  explicit Pairing(Core* core);

  // The answer comes as kEventPaired, perhaps some milliseconds later. False: not a connection that
  // can be paired, or slots of somebody else; then nothing follows.
  bool Request(Connection* connection, int32_t client_slot, int32_t server_slot);

  // Goes on with what Request() could not finish; part of every turn of the connection.
  void Advance(Connection* connection);

  // How much may be sent to that side's app now; less than `size`: ask again after drain_wait_us.
  uint32_t Allowance(Connection* connection, Side to, uint32_t size);
  // True: that side's app has still too much to read. What its peer sends is best left where it is.
  bool StillFull(Connection* connection, Side to);
  void Sent(Connection* connection, Side to, uint64_t bytes);

  // Whether bytes went past us since then, for the idle timeout.
  bool ActiveSince(const Connection& connection, uint64_t since_us) const;

 private:
  int FindServerApp(Connection* connection);
  int Link(Connection* connection);
  uint32_t Admit(Acceleration* acceleration, Side to, uint64_t queued, uint32_t size);
  uint32_t NextLookUs(const Acceleration& acceleration, Side to, uint64_t before) const;
  void Finish(Connection* connection, int error);

  Core* core_;
};

}  // namespace sluice
