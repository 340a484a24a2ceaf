import type { Native } from '../native.ts'
import type { CounterName } from './counters.ts'
import type { KernelEvent } from './events.ts'
import type { MapFill } from './map-fill.ts'
import type { MapSizes } from './maps.ts'
import type { Settings } from './settings.ts'

/** What one node's hooks are attached to, and where their pins live. Nothing of it is assumed. */
export interface KernelOptions {
  readonly native: Native
  /** Directory of the compiled objects (build/bpf). */
  readonly objectDir: string
  /** A mounted bpffs; pins go to `<bpffsDir>/sluice/<node>/v<layout>`. */
  readonly bpffsDir: string
  readonly node: string
  /**
   * The cgroup2 directory of all pods of the node; the hooks see sockets that are created below it.
   */
  readonly podsCgroupDir: string
  /**
   * The kubelet's cgroup2 directory, whose connections reach pods directly; none: no such
   * exemption.
   */
  readonly probeCgroupDir?: string
  readonly mapSizes?: Partial<MapSizes>
  readonly settings: Settings
  /**
   * A file of the proxy's own, in which a start notes what it loaded and pinned: a restart of the
   * same build then takes that over instead of having it verified again. Undefined: load always.
   */
  readonly recordPath?: string
}

export type Acceleration = 'off' | 'auto' | 'full'

/** Descriptors of listening sockets inside the pod's netns, on loopback. They stay the caller's. */
export interface PodListeners {
  readonly outbound4?: number
  readonly inbound4?: number
  readonly outbound6?: number
  readonly inbound6?: number
}

/** Textual addresses; one family may be absent, then connections of that family go direct. */
export interface PodEndpoints {
  readonly ipv4?: string
  readonly ipv6?: string
  readonly listeners: PodListeners
}

export interface PodEnrolment extends PodEndpoints {
  /** The agent's small number for this pod; comes back in origins and events. */
  readonly podId: number
  readonly netnsCookie: bigint
  /** An open descriptor of the netns; needed only during the call. */
  readonly netnsFd: number
  readonly failClosed: boolean
  readonly accelerate: Acceleration
}

/**
 * `ended`: its netns is gone or going, everything about it goes. `left`: it lives on outside the
 * mesh.
 */
export type RemovalReason = 'ended' | 'left'

/** Descriptors that the reactor, the heartbeat and the keeper need. They live until close(). */
export interface KernelFds {
  readonly originsMapFd: number
  readonly legIntentsMapFd: number
  readonly sockInfoMapFd: number
  readonly pairsMapFd: number
  readonly pairControlMapFd: number
  readonly pairStatsMapFd: number
  readonly generationsMapFd: number
  readonly queueQueryProgFd: number
}

export interface FeatureState {
  readonly name:
    | 'hooks'
    | 'acceleration'
    | 'acceleration auto'
    | 'setsockopt'
    | 'tracepoints'
    | 'probes'
  readonly on: boolean
  /** Why it is off and what that costs; empty when on. */
  readonly reason: string
}

export interface LoadReport {
  readonly layout: number
  /**
   * `fresh`: nothing was there. `restarted`: maps and links taken over. `adopted`: the programs
   * too, which were the same. `beside`: an older layout lives on.
   */
  readonly start: 'fresh' | 'restarted' | 'adopted' | 'beside'
  readonly features: readonly FeatureState[]
  /** Things an operator may want to know, such as map sizes that differ from what is configured. */
  readonly notes: readonly string[]
}

export interface Usage {
  /** Bytes that wait unread in sockets that take redirected bytes. */
  readonly queuedBytes: number
  readonly sockets: number
}

/**
 * The kernel's part of one node, typed. All methods are synchronous and throw an Error that names
 * operation, subject, cause and likely fix; a method that throws has left things as they were.
 */
export interface Kernel {
  readonly fds: KernelFds
  readonly report: LoadReport
  /**
   * Number of pair slots (directions) that each generation owns; its first is generation * this.
   */
  readonly pairSlotsPerGeneration: number

  /**
   * Takes a free generation slot and makes `cgroupId` known as the proxy's own. The caller starts a
   * heartbeat for it. At most one a Kernel.
   */
  claimGeneration(cgroupId: bigint): number
  /** Whether another proxy of this node is running; it may be draining already. */
  isAccompanied(): boolean

  /**
   * New connections of enrolled pods are intercepted by this layout from here on: one map write.
   * Also begins to consume events, which only one process may do: a generation before this one has
   * to drain() first.
   */
  goLive(): void
  /** A newer generation takes over: events are left to it. Everything else goes on. */
  drain(): void

  /**
   * Enrols a pod, or changes how it is enrolled; repeating it changes nothing. Targets are written
   * before what refers to them; what an earlier holder of the address left is cleared first.
   */
  enrolPod(pod: PodEnrolment): void
  /**
   * Whether the pod's connections come to these listeners. Not so when another generation of the
   * proxy has registered its own, or had to close them.
   */
  isSteeredTo(pod: PodEndpoints): boolean
  /** Known, and not in the mesh: its connections go direct and are counted as such. */
  excludeNetns(netnsCookie: bigint): void
  /** The reverse of enrolPod or excludeNetns, in reverse order. Unknown ones are fine. */
  removePod(netnsCookie: bigint, reason: RemovalReason): void
  /**
   * Removes all pods that are not in `keep`: those that ended while no proxy was there. Returns how
   * many.
   */
  removePodsExcept(keep: ReadonlySet<bigint>): number
  /** Netns cookies of the pods that are enrolled in the kernel now. */
  enrolledNetns(): readonly bigint[]
  /**
   * Since when a pod is enrolled, on the clock of Date.now(), whichever proxy did it; undefined: it
   * is not.
   */
  enrolledSinceMs(netnsCookie: bigint): number | undefined

  settings(): Settings
  setSettings(changes: Partial<Settings>): void

  counters(): Readonly<Record<CounterName, bigint>>
  mapFill(): readonly MapFill[]
  /**
   * Reads all queues again and sets the node's budget right; about 1 ms for 10,000 sockets. To be
   * called each second; it also lets sockets go that turned blocking and had bytes waiting.
   */
  refreshUsage(): Usage

  /**
   * Unread bytes of an app's socket, redirected ones included; undefined when it is not in the
   * mesh.
   */
  queuedBytes(socketCookie: bigint): number | undefined

  /**
   * What a process of this cgroup of a pod was seen to do that mode 'full' does not suit, in words
   * for people; empty when nothing. Sockets that it opens later stay out of the sockhash. It is
   * remembered across restarts of the proxy.
   */
  whyLeftOut(netnsCookie: bigint, cgroupId: bigint): string

  /**
   * Attaches hooks whose cgroup was removed and made again, as the kubelet's is on each of its
   * restarts. Some ten system calls when there is nothing to do: call it every few seconds. Returns
   * what was attached.
   */
  reattachHooks(): readonly string[]

  /**
   * Hears what the kernel reports. Sockets that turned blocking are taken out before the handler
   * hears of it.
   */
  onEvent(handler: (event: KernelEvent) => void): void

  /**
   * Removes the layouts before this one, once nothing is served by them any more. Returns which.
   */
  removeOlderLayouts(): readonly number[]

  /**
   * Ends this generation: removes its own entries only. Hooks, pods and maps stay for the next one.
   */
  close(): void
  /**
   * Removes every link, map and pin of this node, of all layouts. Connections that exist lose their
   * proxy.
   */
  uninstall(): void
}
