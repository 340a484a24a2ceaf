import { generationCount, layoutVersion, queueQueryLayout, usageLayout } from './abi.ts'
import { readCounters } from './counters.ts'
import { must } from './errors.ts'
import { watchEvents } from './event-watch.ts'
import { type Claim, claimGeneration } from './generations.ts'
import type { Kernel, KernelOptions, LoadReport } from './kernel.ts'
import { decode, encode, u32Bytes, u64Bytes } from './layout.ts'
import { type LoadedObjects, requireProgram } from './load.ts'
import { readMapFill } from './map-fill.ts'
import { lookupHook } from './objects.ts'
import type { PinPaths } from './pins.ts'
import { enrolPod, excludeNetns, isEnrolled, listPods, removePod, type PodContext } from './pods.ts'
import { encodeSettings, type Settings } from './settings.ts'
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

export function createKernel(parts: KernelParts): Kernel {
  const { native } = parts.options
  const { loaded, directory } = parts
  const maps = loaded.maps
  const pods: PodContext = {
    native,
    maps,
    linksDir: parts.pins.links,
    lookupProgFd: requireProgram(loaded, lookupHook.program),
    forgetProgFd: requireProgram(loaded, 'forget_address'),
  }
  const queueQueryProgFd = requireProgram(loaded, 'query_queue')
  const events = watchEvents(native, maps, (cookie) => (queuedBytes(cookie) ?? 0) === 0)
  let settings = parts.settings
  let claim: Claim | undefined

  function writeSettings(next: Settings): void {
    const bytes = encodeSettings(next, layoutsBefore(directory).length > 0)
    must('write settings', native.bpfMapUpdate(maps.settings, u32Bytes(0), bytes, 0))
    settings = next
  }

  function queuedBytes(cookie: bigint): number | undefined {
    const nothing = { queuedBytes: 0n, found: 0, receiveBufferBytes: 0 }
    const context = encode(queueQueryLayout, { cookie, ...nothing })
    native.bpfProgRun(queueQueryProgFd, context)
    const answer = decode(queueQueryLayout, context)
    return answer.found === 1 ? Number(answer.queuedBytes) : undefined
  }

  function end(): void {
    events.stop()
    claim?.release()
    claim = undefined
    loaded.close()
  }

  return {
    fds: {
      originsMapFd: maps.origins,
      legIntentsMapFd: maps.leg_intents,
      sockInfoMapFd: maps.sock_info,
      pairsMapFd: maps.pairs,
      pairControlMapFd: maps.pair_control,
      pairStatsMapFd: maps.pair_stats,
      generationsMapFd: maps.generations,
      queueQueryProgFd,
    },
    report: parts.report,
    pairSlotsPerGeneration: native.bpfMapInfo(maps.pair_control).maxEntries / generationCount,
    claimGeneration: (cgroupId) => {
      if (claim !== undefined) throw new Error('this process has a generation already')
      claim = claimGeneration(native, maps, cgroupId)
      return claim.generation
    },
    goLive: () => {
      const version = u64Bytes(BigInt(layoutVersion))
      must('go live', native.bpfMapUpdate(maps.active_layout, u32Bytes(0), version, 0))
      events.start()
    },
    enrolPod: (pod) => enrolPod(pods, pod),
    excludeNetns: (netnsCookie) => excludeNetns(pods, netnsCookie),
    removePod: (netnsCookie, reason) => removePod(pods, netnsCookie, reason),
    removePodsExcept: (keep) => {
      const ended = listPods(pods).filter(({ netnsCookie }) => !keep.has(netnsCookie))
      for (const { netnsCookie } of ended) removePod(pods, netnsCookie, 'ended')
      return ended.length
    },
    enrolledNetns: () =>
      listPods(pods)
        .filter(isEnrolled)
        .map(({ netnsCookie }) => netnsCookie),
    settings: () => settings,
    setSettings: (changes) => writeSettings({ ...settings, ...changes }),
    counters: () => readCounters(native, maps.counters),
    mapFill: () => readMapFill(native, maps, requireProgram(loaded, 'count_entries')),
    refreshUsage: () => {
      const context = new Uint8Array(usageLayout.bytes)
      events.retryLeaving()
      native.bpfProgRun(requireProgram(loaded, 'refresh_usage'), context)
      const usage = decode(usageLayout, context)
      return { queuedBytes: Number(usage.queuedBytes), sockets: Number(usage.sockets) }
    },
    queuedBytes,
    onEvent: (handler) => events.subscribe(handler),
    removeOlderLayouts: () => {
      const older = layoutsBefore(directory)
      for (const version of older) removeLayout(native, directory, version)
      if (older.length > 0) writeSettings(settings)
      return older
    },
    drain: () => events.stop(),
    close: end,
    uninstall: () => {
      end()
      removeNode(native, directory)
    },
  }
}
