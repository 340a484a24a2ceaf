import {
  cgroupHabitsLayout,
  generationCount,
  habits,
  layoutVersion,
  podHabits,
  queueQueryLayout,
  usageLayout,
} from './abi.ts'
import { possibleSettings } from './acceleration.ts'
import { reattach } from './attach.ts'
import { readCounters } from './counters.ts'
import { must } from './errors.ts'
import { blockingClientAdvice, spliceUserAdvice } from './events.ts'
import { type EventWatch, watchEvents } from './event-watch.ts'
import { type Claim, claimGeneration, isAccompanied } from './generations.ts'
import type { Kernel, KernelFds, KernelOptions, LoadReport, Usage } from './kernel.ts'
import { decode, decodeAll, encode, u32Bytes, u64Bytes } from './layout.ts'
import { type LoadedObjects, requireProgram } from './load.ts'
import { readMapFill } from './map-fill.ts'
import { lookupSinceMs } from './lookups.ts'
import type { MapFds } from './maps.ts'
import { withNodeLock } from './node-lock.ts'
import type { PinPaths } from './pins.ts'
import {
  enrolPod,
  excludeNetns,
  isEnrolled,
  isSteeredTo,
  listPods,
  type PodContext,
  removePod,
} from './pods.ts'
import { encodeSettings, type Settings } from './settings.ts'
import { closeTargets, openTargets } from './targets.ts'
import { layoutsBefore, removeLayout, removeNode } from './unload.ts'

export interface KernelParts {
  readonly options: KernelOptions
  /** The node's directory in bpffs. */
  readonly directory: string
  readonly pins: PinPaths
  readonly loaded: LoadedObjects
  readonly report: LoadReport
  readonly settings: Settings
}

/** Joins what the parts do on their own maps into the one interface that the agent has. */
export function createKernel(parts: KernelParts): Kernel {
  const { native } = parts.options
  const { maps } = parts.loaded
  const queuedBytes = (cookie: bigint): number | undefined => askQueue(parts, cookie)
  const events = watchEvents(native, maps, (cookie) => (queuedBytes(cookie) ?? 0) === 0)
  return {
    fds: fdsOf(parts),
    report: parts.report,
    pairSlotsPerGeneration: native.bpfMapInfo(maps.pair_control).maxEntries / generationCount,
    queuedBytes,
    whyLeftOut: (netnsCookie, cgroupId) => {
      const seen = readHabits(parts, netnsCookie, cgroupId)
      if ((seen & habits.splices) !== 0) return spliceUserAdvice
      return (seen & habits.clientBlocks) !== 0 ? blockingClientAdvice : ''
    },
    counters: () => readCounters(native, maps.counters),
    mapFill: () => readMapFill(native, maps, requireProgram(parts.loaded, 'count_entries')),
    refreshUsage: () => {
      events.retryLeaving()
      return readUsage(parts)
    },
    reattachHooks: () => {
      const targets = openTargets(parts.options)
      try {
        return reattach({ native, pins: parts.pins, loaded: parts.loaded, ...targets })
      } finally {
        closeTargets(targets)
      }
    },
    onEvent: (handler) => events.subscribe(handler),
    drain: () => events.stop(),
    ...podMethods(parts),
    ...settingsMethods(parts),
    ...lifeMethods(parts, events),
  }
}

function fdsOf({ loaded }: KernelParts): KernelFds {
  const { maps } = loaded
  return {
    originsMapFd: maps.origins,
    legIntentsMapFd: maps.leg_intents,
    sockInfoMapFd: maps.sock_info,
    pairsMapFd: maps.pairs,
    pairControlMapFd: maps.pair_control,
    pairStatsMapFd: maps.pair_stats,
    generationsMapFd: maps.generations,
    queueQueryProgFd: requireProgram(loaded, 'query_queue'),
  }
}

function podMethods({ options, pins, loaded }: KernelParts) {
  const context: PodContext = {
    native: options.native,
    maps: loaded.maps,
    pins,
    loaded,
  }
  return {
    enrolPod: (pod) => enrolPod(context, pod),
    isSteeredTo: (pod) => isSteeredTo(context, pod),
    excludeNetns: (netnsCookie) => excludeNetns(context, netnsCookie),
    removePod: (netnsCookie, reason) => removePod(context, netnsCookie, reason),
    removePodsExcept: (keep) => {
      const ended = listPods(context).filter(({ netnsCookie }) => !keep.has(netnsCookie))
      for (const { netnsCookie } of ended) removePod(context, netnsCookie, 'ended')
      return ended.length
    },
    enrolledNetns: () =>
      listPods(context)
        .filter(isEnrolled)
        .map(({ netnsCookie }) => netnsCookie),
    enrolledSinceMs: (netnsCookie) => lookupSinceMs(context, netnsCookie),
  } satisfies Partial<Kernel>
}

function settingsMethods(parts: KernelParts) {
  const { options, loaded, directory, report, settings: atStart } = parts
  const { native } = options
  let settings = atStart
  const write = (wanted: Settings): void => {
    const next = possibleSettings(report.features, wanted)
    const bytes = encodeSettings(next, layoutsBefore(directory).length > 0)
    must('write settings', native.bpfMapUpdate(loaded.maps.settings, u32Bytes(0), bytes, 0))
    settings = next
  }
  return {
    settings: () => settings,
    setSettings: (changes) => write({ ...settings, ...changes }),
    removeOlderLayouts: () => {
      const older = layoutsBefore(directory)
      for (const version of older) removeLayout(native, directory, version)
      if (older.length > 0) write(settings)
      return older
    },
  } satisfies Partial<Kernel>
}

function lifeMethods({ options, loaded, directory }: KernelParts, events: EventWatch) {
  const { native } = options
  let claim: Claim | undefined
  const close = (): void => {
    events.stop()
    claim?.release()
    claim = undefined
    loaded.close()
  }
  return {
    claimGeneration: (cgroupId) => {
      if (claim !== undefined) throw new Error('this process has a generation already')
      claim = claimGeneration(native, { directory, maps: loaded.maps }, cgroupId)
      return claim.generation
    },
    isAccompanied: () => isAccompanied(native, loaded.maps, claim?.generation ?? -1),
    goLive: () => {
      goLive(options.native, loaded.maps)
      events.start()
    },
    close,
    uninstall: () => {
      close()
      withNodeLock(native, directory, () => removeNode(native, directory))
    },
  } satisfies Partial<Kernel>
}

function goLive(native: KernelOptions['native'], maps: MapFds): void {
  const version = u64Bytes(BigInt(layoutVersion))
  must('go live', native.bpfMapUpdate(maps.active_layout, u32Bytes(0), version, 0))
}

function readUsage({ options, loaded }: KernelParts): Usage {
  const context = new Uint8Array(usageLayout.bytes)
  options.native.bpfProgRun(requireProgram(loaded, 'refresh_usage'), context)
  const usage = decode(usageLayout, context)
  return { queuedBytes: Number(usage.queuedBytes), sockets: Number(usage.sockets) }
}

/** What was seen of this cgroup of the pod, or holds for all of them. */
function readHabits({ options, loaded }: KernelParts, netns: bigint, cgroupId: bigint): number {
  const bytes = new Uint8Array(podHabits.bytes)
  const found = options.native.bpfMapLookup(loaded.maps.pod_habits, u64Bytes(netns), bytes)
  if (found < 0) return 0
  const all = new DataView(bytes.buffer).getUint32(0, true)
  const cgroups = bytes.subarray(podHabits.cgroupsAt)
  const own = decodeAll(cgroupHabitsLayout, cgroups, podHabits.cgroups)
  return all | (own.find((one) => one.cgroupId === cgroupId)?.habits ?? 0)
}

function askQueue({ options, loaded }: KernelParts, cookie: bigint): number | undefined {
  const nothing = { queuedBytes: 0n, found: 0, receiveBufferBytes: 0 }
  const context = encode(queueQueryLayout, { cookie, ...nothing })
  options.native.bpfProgRun(requireProgram(loaded, 'query_queue'), context)
  const answer = decode(queueQueryLayout, context)
  return answer.found === 1 ? Number(answer.queuedBytes) : undefined
}
