import {
  pairControlLayout,
  pairLayout,
  pairStatsLayout,
  sockFlags,
  sockLayout,
} from '../../../src/nodeproxy/kernel/abi.ts'
import type { PodEnrolment } from '../../../src/nodeproxy/kernel/kernel.ts'
import {
  decode,
  encode,
  u32Bytes,
  u64Bytes,
  type Value,
} from '../../../src/nodeproxy/kernel/layout.ts'
import { openLeg } from './leg.ts'
import type { TestPod } from './pod.ts'
import type { Rig } from './rig.ts'
import type { ConnectOptions, Sockets } from './sockets.ts'

/** The four sockets of one same-node connection: client <-> p1, proxy, p2 <-> server. */
export interface Connection {
  readonly client: number
  readonly p1: number
  readonly p2: number
  readonly server: number
}

export interface MeshOptions {
  readonly accelerate: PodEnrolment['accelerate']
  /** A listening socket of the app at podIP:port. */
  readonly server: { readonly fd: number; readonly port: number }
  readonly connect?: ConnectOptions
  /** Runs when the server's connection exists in the kernel and its app has not accepted it. */
  readonly beforeAccept?: (halves: Omit<Connection, 'server'>) => void
}

/** One pod plays both ends: its client's leg goes to its own server, from a loopback source. */
export async function openConnection(
  rig: Rig,
  sockets: Sockets,
  pod: TestPod,
  options: MeshOptions,
): Promise<Connection> {
  const app = sockets.connect(pod.netnsFd, '10.96.0.10', 80, options.connect)
  const p1 = await sockets.accept(pod.listeners.outbound4)
  const leg = openLeg(rig, sockets, {
    netnsFd: pod.netnsFd,
    source: '127.1.2.3',
    to: { address: pod.ipv4, port: options.server.port },
    client: rig.native.socketLocal(app.fd),
    accelerate: options.accelerate,
  })
  const halves = { client: app.fd, p1, p2: leg.fd }
  options.beforeAccept?.(halves)
  const server = await sockets.accept(options.server.fd)
  return { ...halves, server }
}

export type SockInfo = Value<typeof sockLayout>

/** What the kernel knows of a socket; undefined: it is not accelerated. */
export function sockInfo(rig: Rig, fd: number): SockInfo | undefined {
  const bytes = new Uint8Array(sockLayout.bytes)
  const key = u64Bytes(rig.native.socketCookie(fd))
  return rig.native.bpfMapLookup(rig.map('sock_info'), key, bytes) === 0
    ? decode(sockLayout, bytes)
    : undefined
}

/** Names of the flags that are set. */
export function flagsOf(rig: Rig, fd: number): string[] {
  const flags = sockInfo(rig, fd)?.flags ?? 0
  return Object.entries(sockFlags)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
}

export function inHash(rig: Rig, fd: number): boolean {
  return flagsOf(rig, fd).includes('inHash')
}

// SLUICE_BUSY_* of bpf/abi.h.
const busy = { holding: 1n, working: 2n, on: (cpu: number) => BigInt(cpu + 1) << 8n } as const

/** Pairs one direction, and returns its switches. */
export function pairDirection(rig: Rig, fromFd: number, toFd: number, slot: number): PairSwitches {
  const { native } = rig
  const peerAppCookie = native.socketCookie(toFd)
  const pair = encode(pairLayout, { peerAppCookie, slot, generation: rig.generation })
  const put = native.bpfMapUpdate(rig.map('pairs'), u64Bytes(native.socketCookie(fromFd)), pair, 0)
  if (put < 0) throw new Error(`pair not written: errno ${-put}`)
  const words = new BigUint64Array(native.bpfMapMmap(rig.map('pair_control')))
  const first = (slot * pairControlLayout.bytes) / 8
  return {
    want: (on) => void Atomics.store(words, first, on ? 1n : 0n),
    busy: (on) => void Atomics.store(words, first + 1, on ? busy.holding : 0n),
    workingOn: (cpu) => void Atomics.store(words, first + 1, busy.working | busy.on(cpu)),
    stats: () => {
      const bytes = new Uint8Array(pairStatsLayout.bytes)
      native.bpfMapLookup(rig.map('pair_stats'), u32Bytes(slot), bytes)
      return decode(pairStatsLayout, bytes)
    },
  }
}

export interface PairSwitches {
  want(on: boolean): void
  busy(on: boolean): void
  /** As busy, while the proxy reads and sends on that CPU. */
  workingOn(cpu: number): void
  stats(): Value<typeof pairStatsLayout>
}
