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
// returns. The slab's first half is the reactor's, the second TypeScript's: what a command points
// to lives until the command is carried out.
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

  // The request interface. Every kEventRequest is followed by exactly one kEventStreamDone for that
  // stream, whatever happens in between.
  // stream, conn, head off, head length, method length (it begins the head), target off, target
  // length, authority off, authority length, flags, content length (2), header table off, header
  // count. The table has four uint16 a header: name, its length, value, its length, relative to the
  // head. The target is in origin form (it may be empty, or begin with '?'), but for CONNECT and
  // OPTIONS *
  kEventRequest = 16,
  // stream, status, head off, head length, flags, content length (2), header table off, header
  // count: a response that FORWARD's mask asked for. It waits: RESUME, FORWARD, RESPOND or RESET
  kEventResponseHead = 17,
  // stream, side, off, length, flags (end of stream): only for streams that asked for bodies
  kEventBodyIn = 18,
  // stream, side, header table off, header count
  kEventTrailers = 19,
  // stream, attempt, reason (AttemptReason), errno or MessageError, microseconds since FORWARD,
  // replayable: the attempt failed before a byte of its response went to the client. It waits:
  // FORWARD (if replayable), RESPOND or RESET
  kEventReset = 20,
  // stream, status (0: none), reason (StreamReason), errno or MessageError, request body bytes (2),
  // response body bytes (2), microseconds (2), microseconds to the first byte of a response (-1:
  // none), endpoint
  kEventStreamDone = 21,
  // conn, MessageError, status: what came was no request; it was answered, and the connection ends
  kEventRejected = 22,
  // conn: its client speaks HTTP/2 from its first byte on. It waits as after ACCEPT, and is one of
  // bytes from here on; those that were read already go first
  kEventOpaque = 23,
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
  // stop accepting everywhere; DONE comes for every connection that ends. Responses end their
  // connections from here on, and no leg is kept between requests
  kCommandDrain = 9,
  // conn, idle ms (0: none)
  kCommandIdleTimeout = 10,

  // The request interface.
  // conn, flags (0), head timeout ms, idle ms, most head bytes: speaks HTTP/1.1 from here on.
  // Instead of CONNECT, before anything was read
  kCommandHttp = 11,
  // endpoint, netns, flags (0), source[4], destination[4], destination port, connect timeout ms,
  // client[4], leg flags, idle ms, most idle connections: makes it known; its id is TypeScript's
  kCommandEndpoint = 12,
  // endpoint: no new request; running ones finish
  kCommandEndpointRemove = 13,
  // stream, endpoint, attempt, flags (0), edits off, edits length, status mask (2), timeout ms:
  // forwards the request. Edits: native/http/message.h. A response whose status is in the mask
  // comes back as RESPONSE_HEAD before any byte is forwarded: bits 0 to 31 are 500 to 531, the
  // others 400 to 431
  kCommandForward = 16,
  // stream, status, fields off, fields length (lines with CRLF), body off, body length, flags
  // (RespondFlags): answers from here
  kCommandRespond = 17,
  // stream, side, off, length, flags
  kCommandBodyOut = 18,
  // stream, side
  kCommandPause = 19,
  // stream, side: passes on a response that waits
  kCommandResume = 20,
  // stream, code: resets the client's connection
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

enum RequestFlags : int {
  kRequestHttp10 = 1,
  kRequestUpgrade = 2,
  kRequestConnect = 4,
  kRequestChunked = 8,
  kRequestHasBody = 16,
  kRequestExpect = 32,
  kRequestIdempotent = 64,
};

enum RespondFlags : int {
  kRespondClose = 1,
};

enum AttemptReason : int {
  kAttemptConnectFailed = 1,
  kAttemptReset = 2,        // ended without a response
  kAttemptTimeout = 3,      // FORWARD's time is over
  kAttemptBadResponse = 4,  // no HTTP; the error says why
  kAttemptNoEndpoint = 5,
  kAttemptTooLarge = 6,       // the head with its edits
  kAttemptNotReplayable = 7,  // the body is gone
};

enum StreamReason : int {
  kStreamDone = 0,
  kStreamClientGone = 1,
  kStreamUpstreamReset = 2,  // in the middle of a response: the client was reset
  kStreamTimeout = 3,        // the same
  kStreamBadRequest = 4,     // in its body
  kStreamAborted = 5,        // by a command, or with the proxy
};

// Why a message is refused.
enum MessageError : int {
  kMessageBareLf = 1,
  kMessageBareCr = 2,
  kMessageControlByte = 3,
  kMessageRequestLine = 4,
  kMessageStatusLine = 5,
  kMessageVersion = 6,
  kMessageTarget = 7,
  kMessageFieldName = 8,
  kMessageSpaceBeforeColon = 9,
  kMessageFolded = 10,
  kMessageContentLength = 11,
  kMessageLengthAndCoding = 12,
  kMessageTransferCoding = 13,
  kMessageHostMissing = 14,
  kMessageHostRepeated = 15,
  kMessageHostInvalid = 16,
  kMessageTooLarge = 17,
  kMessageTooManyFields = 18,
  kMessageChunkSize = 19,
  kMessageChunkExtension = 20,
  kMessageChunkEnd = 21,
  kMessageTrailer = 22,
  kMessageTimeout = 23,
  kMessageUpgrade = 24,
  kMessageTruncated = 25,
};

}  // namespace sluice
