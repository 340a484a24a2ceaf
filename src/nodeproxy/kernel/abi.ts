import { layout } from './layout.ts'

// The TypeScript side of bpf/abi.h. Field names are those of the header in camelCase; a test
// compares every size, offset and number with the BTF of the compiled objects.

export const layoutVersion = 1
export const ownNetnsPlaceholder = 0x736c756963650001n
export const generationCount = 4
export const spreadFirst = 265
export const spreadCount = 124

export const podFlags = { enrolled: 1, failClosed: 2, accelAuto: 4, accelFull: 8 } as const
export const directions = { outbound: 0, inbound: 1 } as const
export const legFlags = { bypass: 1, accelAuto: 4, accelFull: 8 } as const
export const bypassFlags = { probe: 16 } as const
export const sockFlags = {
  app: 1,
  toPeer: 2,
  inHash: 4,
  checkFile: 8,
  pairable: 16,
  blocking: 32,
  splices: 64,
  receiveOnly: 128,
  receives: 256,
} as const
export const acceptModes = { unknown: 0, nonblocking: 1, blocking: 2 } as const
export const habits = { clientBlocks: 1, splices: 2, acceptsBlocking: 4 } as const
export const unclassifiedModes = { count: 0, refuse: 1 } as const
export const eventKinds = {
  turnedBlocking: 1,
  spliceUser: 2,
  unclassified: 3,
  connect: 4,
} as const

export const flowLayout = layout('sluice_flow', 36, {
  local: ['addr', 0],
  remote: ['addr', 16],
  localPort: ['u16', 32],
  remotePort: ['u16', 34],
})

export const podLayout = layout('sluice_pod', 48, {
  netnsCookie: ['u64', 0],
  ipv4: ['addr', 8],
  ipv6: ['addr', 24],
  flags: ['u32', 40],
  podId: ['u32', 44],
})

export const listenerKeyLayout = layout('sluice_listener_key', 20, {
  addr: ['addr', 0],
  direction: ['u32', 16],
})

export const originLayout = layout('sluice_origin', 40, {
  clientCookie: ['u64', 0],
  netnsCookie: ['u64', 8],
  addr: ['addr', 16],
  port: ['u16', 32],
  flags: ['u16', 34],
  podId: ['u32', 36],
})

export const legLayout = layout('sluice_leg', 24, {
  client: ['addr', 0],
  clientPort: ['u16', 16],
  flags: ['u16', 18],
  generation: ['u32', 20],
})

export const bypassLayout = layout('sluice_bypass', 32, {
  legCookie: ['u64', 0],
  client: ['addr', 8],
  clientPort: ['u16', 24],
  flags: ['u16', 26],
  generation: ['u32', 28],
})

export const sockLayout = layout('sluice_sock', 48, {
  tcpSock: ['u64', 0],
  peerCookie: ['u64', 8],
  netnsCookie: ['u64', 16],
  queuedBytes: ['u64', 24],
  enteredNs: ['u64', 32],
  flags: ['u32', 40],
  podId: ['u32', 44],
})

export const pairLayout = layout('sluice_pair', 16, {
  peerAppCookie: ['u64', 0],
  slot: ['u32', 8],
  generation: ['u32', 12],
})

export const pairControlLayout = layout('sluice_pair_control', 16, {
  want: ['u64', 0],
  busy: ['u64', 8],
})

export const pairStatsLayout = layout('sluice_pair_stats', 48, {
  directBytes: ['u64', 0],
  legRedirectBytes: ['u64', 8],
  legTcpBytes: ['u64', 16],
  overLimit: ['u64', 24],
  receiverQueuedBytes: ['u64', 32],
  lastDirectNs: ['u64', 40],
})

export const claimLayout = layout('sluice_claim', 24, {
  claimedNs: ['u64', 0],
  cgroupId: ['u64', 8],
  pid: ['u32', 16],
  reserved: ['u32', 20],
})

export const settingsLayout = layout('sluice_settings', 48, {
  beatMaxAgeNs: ['u64', 0],
  pairLimitBytes: ['u64', 8],
  legLimitBytes: ['u64', 16],
  nodeLimitBytes: ['u64', 24],
  unclassified: ['u32', 32],
  acceleration: ['u32', 36],
  olderLayout: ['u32', 40],
  accessEvents: ['u32', 44],
})

export const usageLayout = layout('sluice_usage', 16, {
  queuedBytes: ['u64', 0],
  sockets: ['u64', 8],
})

export const cgroupHabitsLayout = layout('sluice_cgroup_habits', 16, {
  cgroupId: ['u64', 0],
  habits: ['u32', 8],
  reserved: ['u32', 12],
})
/** struct sluice_pod_habits, which ends with its cgroups. */
export const podHabits = { bytes: 392, cgroupsAt: 136, cgroups: 16 } as const

export const queueQueryLayout = layout('sluice_queue_query', 24, {
  cookie: ['u64', 0],
  queuedBytes: ['u64', 8],
  found: ['u32', 16],
  receiveBufferBytes: ['u32', 20],
})

export const forgetLayout = layout('sluice_forget', 48, {
  addr: ['addr', 0],
  keepNetnsCookie: ['u64', 16],
  forgetNetnsCookie: ['u64', 24],
  removedOrigins: ['u32', 32],
  removedBypasses: ['u32', 36],
  removedSocks: ['u32', 40],
  removedHabits: ['u32', 44],
})

export const eventLayout = layout('sluice_event', 64, {
  atNs: ['u64', 0],
  socketCookie: ['u64', 8],
  netnsCookie: ['u64', 16],
  cgroupId: ['u64', 24],
  kind: ['u32', 32],
  pid: ['u32', 36],
  addr: ['addr', 40],
  port: ['u16', 56],
  reserved: ['u16', 58],
  podId: ['u32', 60],
})

export const fillLayout = layout('sluice_fill', 24, {
  pods: ['u32', 0],
  origins: ['u32', 4],
  bypasses: ['u32', 8],
  sockets: ['u32', 12],
  pairs: ['u32', 16],
  podHabits: ['u32', 20],
})
