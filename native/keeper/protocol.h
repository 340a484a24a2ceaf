// What the proxy and the keeper say to each other over a SOCK_SEQPACKET Unix socket: one message a
// packet, host byte order (both are on one machine). src/nodeproxy/keeper/protocol.ts is the other
// half; a test compares the two files number by number.
//
// Every message starts with a KeeperHeader. A request carries a number of the sender's choice and
// is answered by one message of the same type and number with a status: 0 or -errno. HELLO comes
// first on a connection.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

constexpr int kKeeperMagic = 0x314b4c53;  // "SLK1"
constexpr int kKeeperProtocol = 1;        // another number is refused with -EPROTONOSUPPORT
constexpr int kKeeperVersion = 3;  // of the program: a newer one takes over from an older one
constexpr int kKeeperLayout = 1;   // of the maps it watches; with it the version is raised, too

// Bounds. A message beyond them is answered with -EMSGSIZE, a count beyond them with -ENOSPC.
constexpr int kMaxMessageBytes = 80 * 1024;
constexpr int kMaxPodFds = 8;
constexpr int kMaxUidBytes = 128;
constexpr int kMaxAlivePathBytes = 1024;
constexpr int kMaxFactsBytes = 4096;
constexpr int kMaxPods = 4096;
constexpr int kMaxPairs = 8192;
constexpr int kMaxSessions = 32;
constexpr int kMaxHeldBytes = 32 * 1024;  // read but not yet forwarded, per direction

enum KeeperMessage : int {
  // KeeperHello -> KeeperHelloReply. The sender's process owns the pairs it puts: they are adopted
  // when it is gone.
  kMessageHello = 1,
  // KeeperPod, then uid, alive path, facts; with the listeners' descriptors. Replaces that pod's.
  // Facts are the proxy's own and come back as they are. When the alive path (the pod's cgroup) no
  // longer exists the pod is dropped, whether a proxy lives or not; empty: never.
  kMessagePutListeners = 2,
  // KeeperPod, then uid. -ENOENT: there was none.
  kMessageDropPod = 3,
  // -> one POD message for each pod (KeeperPod, uid, alive path, facts, descriptors), then the
  // answer with their count as u32.
  kMessageList = 4,
  kMessagePod = 5,
  // KeeperPair; with the client's leg and the server's leg. -ESTALE: a descriptor is not the socket
  // that its cookie says; -EOPNOTSUPP: the sender's process can not be watched (another pid
  // namespace).
  kMessagePutPair = 6,
  // client leg's cookie u64. -ENOENT: there was none. The keeper's descriptors are closed and
  // nothing else: the caller decides on FIN or reset.
  kMessageDropPair = 7,
  // -> kStatCount numbers, u64 each, in the order of KeeperStat.
  kMessageStats = 8,
  // From a newer keeper, body its version as u32: -> PODs, OWNERs, PAIRs, then the answer with
  // their count as u32. The older one then forwards nothing until it hears TAKEOVER_DONE, and
  // exits, or the connection breaks, and it goes on.
  kMessageTakeover = 9,
  kMessageOwner = 10,  // owner u32; with a descriptor of the process
  kMessagePair = 11,   // KeeperPair, held bytes to server, held bytes to client; with both legs
  kMessageTakeoverDone = 12,
  // -> slots of pair_control that kept pairs use, i32 each: a new generation leaves them out.
  kMessageSlots = 13,
  // KeeperPatience; in place of what the command line said, and what another proxy did.
  kMessagePatience = 14,
  // Client legs' cookies, u64 each, of pairs whose legs the sender has closed: they are adopted now
  // and not only when its process is gone. Those that are not there have ended.
  kMessageLetGo = 15,
};

enum KeeperPairFlags : int {
  kPairAdopted = 1,        // only between keepers: its proxy is gone
  kPairServerFinSent = 2,  // the server's leg was shut down for writing
  kPairClientFinSent = 4,  // the client's leg was
};

// Slots of pairs that have no entry in pair_control.
constexpr int kNoSlot = -1;

struct KeeperHeader {
  uint32_t magic;
  uint16_t protocol;
  uint16_t type;
  uint32_t request;
  int32_t status;
};
static_assert(sizeof(KeeperHeader) == 16);

struct KeeperHello {
  uint32_t generation;  // of the proxy; for the log
  uint32_t version;     // of the sender
};
static_assert(sizeof(KeeperHello) == 8);

struct KeeperHelloReply {
  uint32_t pid;
  uint32_t version;
  uint32_t pods;
  uint32_t pairs;
};
static_assert(sizeof(KeeperHelloReply) == 16);

struct KeeperPatience {
  uint64_t give_up_after_ms;  // without a beat: what waits in listeners is reset
  uint64_t remove_after_ms;   // without a proxy: all of Sluice leaves the node; 0: never
};
static_assert(sizeof(KeeperPatience) == 16);

struct KeeperPod {
  uint16_t uid_bytes;
  uint16_t alive_path_bytes;
  uint32_t facts_bytes;
};
static_assert(sizeof(KeeperPod) == 8);

// The legs are the proxy's sockets, the apps' sockets are at their other ends.
struct KeeperPair {
  uint64_t client_leg_cookie;  // names the pair
  uint64_t server_leg_cookie;
  uint64_t client_app_cookie;  // 0: unknown, then its queue is not asked before sending to it
  uint64_t server_app_cookie;
  int32_t slot_to_server;  // in pair_control; kNoSlot: none
  int32_t slot_to_client;
  uint32_t flags;           // KeeperPairFlags
  uint32_t owner;           // between keepers
  uint32_t held_to_server;  // between keepers: bytes that follow
  uint32_t held_to_client;
};
static_assert(sizeof(KeeperPair) == 56);

enum KeeperStat : int {
  kStatPods = 0,
  kStatListeners = 1,
  kStatPairs = 2,
  kStatAdoptedPairs = 3,      // being forwarded now
  kStatAdoptions = 4,         // since the start, as all below
  kStatAdoptionsRefused = 5,  // reset: the dead proxy may have held bytes
  kStatForwardedBytes = 6,
  kStatWaitingReset = 7,  // connections reset because no proxy came back in time
  kStatPodsVanished = 8,  // dropped because their alive path was gone
  kStatMessagesRefused = 9,
  kStatPeersRefused = 10,  // connections of another user
  kStatTakeovers = 11,
  kStatCount = 12,
};

}  // namespace sluice
