// The interface between the reactor (mechanism, C++) and TypeScript (policy): two rings of int32
// and a byte slab, all in memory that TypeScript allocates. src/nodeproxy/io/protocol.ts is the
// other half; a test compares the two files number by number.
//
// Ring: words[0] = head (consumer), words[1] = tail (producer), both counted in words since the
// start, modulo 2^32 and not modulo the capacity; words[2] = capacity in words (a power of two),
// words[3] = records dropped (always 0: a full event ring makes the reactor stop reading sockets,
// it never drops). Records start at words[8]. Both sides run on the same thread, so nothing here is
// atomic. Record: word 0 = type | length in words << 8, the length counts word 0 too. A record
// never wraps: a PAD record fills the end. A record of an unknown type or a wrong length is skipped
// and counted.
//
// Every kEventAccept is followed by exactly one kEventDone for that id, whatever happens in
// between.
//
// Ids are int32 = slot | generation << 20; a stale id is answered by nothing. A connection id names
// an accepted or outgoing TCP connection, a stream id one request on it (for TCP: the same number).
// 64-bit values are two words, low first. Addresses are four words, as they lie in memory (network
// order, IPv4 as v4-mapped). Offsets and lengths point into the slab and live until the callback
// returns.
#pragma once

namespace sluice {

constexpr int kRingHeaderWords = 8;

enum Event : int {
  kEventPad = 0,
  // conn, listener, flags, origin flags, pod, peer[4], peer port, local[4], local port,
  // origin[4], origin port, client cookie (2), leg cookie (2)
  kEventAccept = 1,
  // conn, attempt, connect microseconds, local port, leg cookie (2)
  kEventConnected = 2,
  // conn, attempt, errno, connect microseconds
  kEventConnectFailed = 3,
  // conn, reason, errno, received bytes from client (2), sent to client (2), microseconds (2),
  // directly paired bytes client to server (2), server to client (2),
  // microseconds from accept to the server's first byte (-1: none came through here)
  kEventDone = 4,
  // timer id
  kEventTimer = 5,
  // listener, reason, refused connections since the last one, errno
  kEventListenerPaused = 6,
  // conn, slot client to server, slot server to client, errno (0: paired; else it goes on through
  // the proxy)
  kEventPaired = 7,
  // netns, family, errno: no socket could be made in that namespace
  kEventNetnsFailed = 8,

  // The request interface. Reserved here with its layout from the first version on.
  // stream, conn, head off, head length, method, path off, path length, host atom, flags,
  // content length (2), header table off, header count
  kEventRequest = 16,
  // stream, status, head off, head length, flags, content length (2), header table off, header
  // count
  kEventResponseHead = 17,
  // stream, side, off, length, flags (end of stream): only for streams that asked for bodies
  kEventBodyIn = 18,
  // stream, side, header table off, header count
  kEventTrailers = 19,
  // stream, side, code
  kEventReset = 20,
  // stream, status, bytes (2), microseconds, endpoint
  kEventStreamDone = 21,
  // atom, off, length: a host seen for the first time
  kEventHostAtom = 22,
};

enum Command : int {
  kCommandPad = 0,
  // listener, fd (the reactor keeps its own duplicate), pod, netns, direction, max connections, max
  // buffered bytes. The limits are the pod's, in this reactor; 0: none
  kCommandListen = 1,
  // listener: stop accepting (connections go on)
  kCommandUnlisten = 2,
  // netns, namespace fd (the reactor keeps its own duplicate), sockets to keep ready
  kCommandNetnsAdd = 3,
  // netns
  kCommandNetnsRemove = 4,
  // conn, attempt, netns, flags, source[4], destination[4], destination port, timeout ms,
  // client[4], client port, leg flags: connects, then forwards both ways. flags: 0. A source of all
  // zero is not bound. May be sent again after kEventConnectFailed.
  kCommandConnect = 5,
  // conn, how (kCloseReset, kCloseFin, kCloseAdopted)
  kCommandClose = 6,
  // conn, slot client to server, slot server to client
  kCommandPair = 7,
  // timer id, milliseconds (0 cancels)
  kCommandTimer = 8,
  // stop accepting everywhere; DONE comes for every connection that ends
  kCommandDrain = 9,
  // conn, idle ms (0: none)
  kCommandIdleTimeout = 10,

  // The request interface.
  // stream, endpoint conn or 0, netns, destination[4], port, edits off, edits length, status mask
  // (2), flags, timeout ms: forward the request; edits are request and response header edits; a
  // response whose status is in the mask comes back as RESPONSE_HEAD before any byte is forwarded
  kCommandForward = 16,
  // stream, status, head off, head length, body off, body length, flags: answer from here
  kCommandRespond = 17,
  // stream, side, off, length, flags
  kCommandBodyOut = 18,
  // stream, side
  kCommandPause = 19,
  kCommandResume = 20,
  // stream, code
  kCommandReset = 21,
  // stream, side, off, length
  kCommandTrailersOut = 22,
};

enum Direction : int {
  kDirectionOutbound = 0,
  kDirectionInbound = 1,
};

enum AcceptFlags : int {
  // Outbound: the published tuple was there; else DONE (unpublished) follows.
  kAcceptOriginFound = 1,
  kAcceptIpv6 = 2,
};

enum DoneReason : int {
  kDoneClosed = 0,  // both directions ended with FIN
  kDoneClientReset = 1,
  kDoneServerReset = 2,
  kDoneRefused = 3,  // closed by a command before it was forwarded
  kDoneConnectTimeout = 4,
  kDoneIdle = 5,
  kDoneUnpublished = 6,  // outbound connection without a published tuple: reset
  kDoneOverLimit = 7,    // the pod's limit of connections or buffered bytes
  kDoneShutdown = 8,
  kDoneAdopted = 9,  // the keeper has it now
};

enum CloseHow : int {
  kCloseReset = 0,
  kCloseFin = 1,
  // Only drops our descriptors: the keeper's duplicates carry the paired connection on.
  kCloseAdopted = 2,
};

enum ListenerReason : int {
  kListenerResumed = 0,        // accepts again
  kListenerNoDescriptors = 1,  // EMFILE, ENFILE or no kernel memory: tried again by itself
  kListenerPodLimit = 2,       // still accepting: those over the pod's limit were reset
  kListenerTableFull = 3,      // still accepting: those over the reactor's limit were reset
  kListenerFailed = 4,         // not a usable listener (errno says why)
};

}  // namespace sluice
