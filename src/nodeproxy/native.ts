import { createRequire } from 'node:module'
import type { NativeSockets } from './native-sockets.ts'

/**
 * What the addon (native/addon.cc) offers, typed. Mechanism only: no policy behind any of these.
 * Every function throws an Error whose message names the operation, the subject and the errno text,
 * with `code` (for example 'ENOENT') and `errno`; those that may fail for reasons the caller
 * decides on return a negative errno instead and say so here. File descriptors are plain numbers
 * and belong to the caller.
 */
export interface Native extends NativeSockets {
  // bpf: programs, maps, links
  /**
   * Opens and loads one object file: all of it or nothing. Throws a BpfLoadError. Descriptors in
   * the result stay the object's: close() closes them (the kernel keeps what is pinned or linked).
   */
  bpfLoad(path: string, options: BpfLoadOptions): BpfObject
  bpfPin(fd: number, path: string): void
  /** The descriptor of a pinned map, program or link; -ENOENT when there is none. */
  bpfGetPinned(path: string): number
  /**
   * A program's id, which none loaded later has until the next boot, and its instructions' hash.
   */
  bpfProgInfo(fd: number): { readonly id: number; readonly tag: string }
  bpfLinkCreate(progFd: number, targetFd: number, attachType: number): number
  bpfLinkUpdate(linkFd: number, progFd: number): void
  bpfLinkDetach(linkFd: number): void
  /** The id of the program that the link runs. */
  bpfLinkProgram(linkFd: number): number
  /** prog_attach, for sockmaps (there is no link for them before 6.10). */
  bpfProgAttach(progFd: number, targetFd: number, attachType: number): void
  bpfProgDetach(progFd: number, targetFd: number, attachType: number): void
  /** Tracepoint by category and name; -ENOENT where this kernel does not have it. */
  bpfAttachTracepoint(progFd: number, category: string, name: string): number
  /**
   * Runs a program once (SEC("syscall") and others that need a context alone) and gives what it
   * returned, as a signed number. `context` is filled in place with what the program left there.
   */
  bpfProgRun(progFd: number, context: Uint8Array): number
  bpfMapInfo(fd: number): BpfMapInfo
  /**
   * All: 0 or a negative errno. `value` is filled in place and has exactly `copiedValueSize` bytes:
   * for per-CPU maps the values of all possible CPUs, each rounded up to 8 bytes. Throws on other
   * sizes.
   */
  bpfMapLookup(fd: number, key: Uint8Array, value: Uint8Array): number
  bpfMapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number
  bpfMapDelete(fd: number, key: Uint8Array): number
  /** `count` keys one after the other, as their values; not atomic: stops at the first error. */
  bpfMapUpdateBatch(fd: number, keys: Uint8Array, values: Uint8Array, count: number): number
  /**
   * All entries, keys and values one after the other, in one copy: batched where the kernel can.
   */
  bpfMapDump(fd: number): { keys: Uint8Array; values: Uint8Array; count: number }
  /**
   * Maps an array created with BPF_F_MMAPABLE. The memory lives until the ArrayBuffer is collected.
   */
  bpfMapMmap(fd: number): ArrayBuffer
  bpfRingConsumer(fd: number, onRecord: (record: Uint8Array) => void): { close(): void }

  // sockets in other network namespaces, on a native thread
  /**
   * Listens on loopback (127.0.0.1 or ::1), port 0, inside the namespace: a plain TCP socket,
   * non-blocking and close-on-exec. It keeps the namespace alive: close it when the pod ends.
   */
  netnsListen(netnsFd: number, family: 4 | 6, backlog: number): Promise<number>
  /** False for one that somebody in the pod has destroyed (SOCK_DESTROY, `ss -K`). */
  socketListens(fd: number): boolean
  netnsInspect(netnsFd: number): Promise<NetnsFacts>
  /**
   * Open TCP connections of the namespace that leave it, `connectionNameBytes` each: names for
   * netnsEndConnections, which mean these very sockets and no later ones.
   */
  netnsConnections(netnsFd: number): Promise<Uint8Array>
  /**
   * Resets them, at both ends. @returns how many: some may have ended by themselves. Rejects with
   * EOPNOTSUPP where the kernel has no CONFIG_INET_DIAG_DESTROY.
   */
  netnsEndConnections(netnsFd: number, names: Uint8Array): Promise<number>
  /**
   * Opens the file of a network namespace (as in /proc/PID/ns/net); throws EINVAL when it is
   * another file.
   */
  netnsOpen(path: string): number
  socketCookie(fd: number): bigint
  closeFd(fd: number): void
  /**
   * flock(2), exclusive: false while another open file of it is locked. Closing the descriptor,
   * also by the process's death, gives the lock back.
   */
  tryLock(fd: number): boolean

  // unix sockets with descriptors, for the keeper
  unixConnect(path: string): number
  /** Both ends of a connection, for tests. */
  unixPair(): readonly [number, number]
  /**
   * Bytes sent, or a negative errno: -EAGAIN when the other side's queue is full. At most 253
   * descriptors.
   */
  unixSend(fd: number, message: Uint8Array, fds: readonly number[]): number
  /** Undefined when there is nothing to read; an empty message is the end of the stream. */
  unixReceive(
    fd: number,
    maxBytes: number,
    maxFds: number,
  ): { message: Uint8Array; fds: number[] } | undefined

  /**
   * Calls back while the descriptor is readable, hung up or in error. Close the watch before the
   * descriptor. It keeps the event loop alive.
   */
  fdWatch(fd: number, onReadable: () => void): { close(): void }

  /**
   * A thread that writes CLOCK_MONOTONIC into the generations map, first before this returns.
   * stop() clears the beat of this generation alone.
   */
  heartbeatStart(generationsMapFd: number, generation: number, periodMs: number): { stop(): void }

  reactorCreate(options: ReactorOptions, onEvents: () => void): Reactor
  clockMonotonicNs(): bigint

  /** How the engine reads the message that these bytes begin with; for tests. */
  httpReadMessage(bytes: Uint8Array, response: boolean): HttpReading
}

export interface HttpReading {
  /** MessageError; 0: it is good, and the rest is there. */
  readonly error: number
  readonly status?: number
  readonly method?: string
  readonly target?: string
  /** Names and values in turn, one character a byte. */
  readonly fields?: readonly string[]
  /** Without its framing, as far as it is there. */
  readonly body?: Uint8Array
  /** Whether its end is there too. One that ends with its connection never is. */
  readonly complete?: boolean
  /** Bytes of the message, as far as it is there. */
  readonly length?: number
  /** The head as it goes on. */
  readonly forwarded?: Uint8Array
}

export const connectionNameBytes = 52

export interface BpfLoadOptions {
  /**
   * Map name -> descriptor to use in place of a new map. Names that the file does not have are
   * ignored.
   */
  reuse?: Readonly<Record<string, number>>
  /** Map name -> max_entries. A reused map keeps its own. */
  maxEntries?: Readonly<Record<string, number>>
  /** Programs that are not to be loaded (features that the kernel lacks). */
  skip?: readonly string[]
}

/** What bpfLoad throws, beyond `message`, which ends with the verifier's last lines. */
export interface BpfLoadError extends Error {
  readonly code: string
  readonly errno: number
  /** The program that the verifier rejected; empty when it was something else. */
  readonly program: string
  /** Everything that libbpf and the verifier said. */
  readonly log: string
}

export interface BpfObject {
  readonly maps: Readonly<Record<string, number>>
  readonly programs: Readonly<Record<string, number>>
  /**
   * Loads one of its programs once more, with the 64-bit constant `placeholder` in it exchanged
   * for `value`: a descriptor that is the caller's. Throws a BpfLoadError.
   */
  copyProgram(name: string, placeholder: bigint, value: bigint): number
  close(): void
}

export interface BpfMapInfo {
  readonly type: number
  readonly id: number
  readonly keySize: number
  readonly valueSize: number
  /** Bytes that one lookup copies: differs from `valueSize` for per-CPU maps. */
  readonly copiedValueSize: number
  readonly maxEntries: number
  readonly flags: number
}

export interface NetnsFacts {
  readonly cookie: bigint
  readonly addresses: readonly string[]
  readonly localPortRange: readonly [number, number]
}

export interface ReactorOptions {
  readonly events: ArrayBuffer
  readonly commands: ArrayBuffer
  readonly slab: ArrayBuffer
  readonly maxConnections: number
  /** Kernel maps that the data path itself reads and writes; -1 where it runs without BPF. */
  readonly originsMapFd: number
  readonly legIntentsMapFd: number
  readonly sockInfoMapFd: number
  readonly pairsMapFd: number
  readonly pairControlMapFd: number
  readonly pairStatsMapFd: number
  readonly queueQueryProgFd: number
  readonly generation: number
  readonly pairLimitBytes: number
}

export interface Reactor {
  /** Runs what stands in the command ring now; else it runs before the loop sleeps next. */
  flush(): void
  /**
   * Counters for metrics: turns, accepted, open connections, buffered bytes, busy microseconds, …
   */
  stats(): Readonly<Record<string, number>>
  /**
   * Hands the descriptors of a connection that is forwarded to the caller, for the keeper.
   * Undefined also for one that speaks HTTP, but for a tunnel.
   */
  pairedFds(conn: number): readonly [number, number] | undefined
  /**
   * Bytes of open connections so far, four numbers each: received from the client, sent to it,
   * and those that went directly to the server, and to the client. Zeros for one that has ended.
   */
  progress(conns: Int32Array, into: Float64Array): void
  close(): void
}

const require = createRequire(import.meta.url)

/** Loads the addon that `npm run build` made. */
export function loadNative(): Native {
  return require('../../build/Release/sluice.node') as Native
}
