// What a reactor counts of itself, for metrics. One list, so that a counter cannot be forgotten on
// its way out.
#pragma once

#include <cstdint>

namespace sluice {

#define SLUICE_REACTOR_STATS(X)                                                     \
  X(turns)                                                                          \
  X(waitedMicroseconds) /* asleep; the rest of the time something was being done */ \
  X(accepted)                                                                       \
  X(acceptedIpv6)                                                                   \
  X(refusedOverLimit) /* reset at accept: pod's or reactor's limit */               \
  X(refusedNoDescriptors) /* reset at accept: the process's limit of open files */    \
  X(unpublished)      /* reset at accept: no origin for the tuple */                \
  X(acceptPauses)                                                                   \
  X(connected)                                                                      \
  X(connectFailed)                                                                  \
  X(socketWaits) /* connects that found the socket source empty */                  \
  X(ended)                                                                          \
  X(bytesFromClients)                                                               \
  X(bytesFromServers)                                                               \
  X(bufferedBytes) /* now, of all connections */                                    \
  X(leftovers)     /* reads that did not fit into the other socket */               \
  X(commands)                                                                       \
  X(commandErrors) /* unknown, malformed, or of the request interface */            \
  X(staleCommands) /* for a connection that has ended */                            \
  X(ringCorruptions)                                                                \
  X(events)                                                                         \
  X(eventRingFull) /* turns in which sockets had to wait for TypeScript */          \
  X(paired)                                                                         \
  X(pairFailed)                                                                     \
  X(queueQueries)                                                                   \
  X(holds)       /* sends put off because the app's queue was full */               \
  X(sendRetries) /* sends put off for want of kernel memory */                      \
  X(adopted)                                                                       \
  X(httpConnections)                                                                \
  X(httpRequests)                                                                   \
  X(httpRefused)   /* heads and bodies that are no HTTP */                          \
  X(httpTruncated) /* clients that went away inside a head */                       \
  X(httpEnded)     /* requests */                                                   \
  X(httpReused)    /* requests on a kept connection */                              \
  X(httpStaleRetries) /* kept connections that turned out to be closed */           \
  X(httpBadResponses)

struct Stats {
#define SLUICE_X(name) uint64_t name = 0;
  SLUICE_REACTOR_STATS(SLUICE_X)
#undef SLUICE_X
};

}  // namespace sluice
