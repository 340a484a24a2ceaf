import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { BpfObject } from '../native.ts'
import { type AttachContext, isWhole, kubeletState } from './attach.ts'
import { identify, isSame, type PinnedIdentity } from './identity.ts'
import type { FeatureState, KernelOptions } from './kernel.ts'
import type { LoadedObjects } from './load.ts'
import { type MapFds, type MapName, mapNames } from './maps.ts'
import { lookupHook, optionalObjects, redirectObject, requiredObjects } from './objects.ts'
import type { PinPaths } from './pins.ts'
import type { AcceleratedMode } from './settings.ts'

/**
 * What a start that loaded everything leaves for restarts of the same build. bpffs is empty after
 * a boot, so pins and record are always of one kernel.
 */
export interface LoadRecord {
  /** Of the object files and of what was asked for; see stampOf(). */
  readonly stamp: string
  /** Names of pins in progs/. */
  readonly programs: readonly string[]
  /** What these and the other pins stood for. */
  readonly pinned: PinnedIdentity
  readonly rejected: Readonly<Record<string, string>>
  readonly features: readonly FeatureState[]
  readonly acceleration: readonly AcceleratedMode[]
}

export interface Adopted {
  readonly loaded: LoadedObjects
  readonly features: readonly FeatureState[]
  readonly acceleration: readonly AcceleratedMode[]
}

/** Two builds with the same stamp load the same programs. */
export function stampOf(options: KernelOptions): string {
  const { objectDir, settings, podsCgroupDir, probeCgroupDir = '' } = options
  const files = [...requiredObjects, ...optionalObjects, redirectObject].map((name) => {
    const path = join(objectDir, `${name}.bpf.o`)
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    // Nobody forges a build here, and node:crypto takes a restart 12 ms to load.
    return `${name} ${bytes.length} ${crc32(bytes)}`
  })
  const asked = [settings.acceleration.join(), podsCgroupDir, probeCgroupDir]
  return [...files, ...asked].join('; ')
}

/**
 * What an earlier proxy of this very build loaded and pinned, which costs a restart some
 * milliseconds in place of the some hundred that the verifier takes. Undefined when anything of it
 * is not as it was left: then everything is loaded anew.
 *
 * @param pinned descriptors that are the result's from here on, if there is one
 */
export function adopt(
  options: KernelOptions,
  pins: PinPaths,
  pinned: Partial<Record<MapName, number>>,
  targets: Pick<AttachContext, 'pods' | 'kubelet' | 'noKubeletReason'>,
): Adopted | undefined {
  const record = readRecord(options.recordPath)
  if (record === undefined || !hasAllMaps(pinned) || record.stamp !== stampOf(options)) {
    return undefined
  }
  const loaded = pinnedObjects(options, pins, pinned, record)
  const context = { native: options.native, pins, loaded, ...targets }
  const found = identify(options.native, pins, pinned, record.programs)
  if (!isSame(found, record.pinned) || !isWhole(context)) {
    loaded.close()
    return undefined
  }
  const close = (): void => {
    loaded.close()
    for (const fd of Object.values(pinned)) options.native.closeFd(fd)
  }
  const features = record.features.map((state) =>
    state.name === 'probes' ? kubeletState(context) : state,
  )
  return { loaded: { ...loaded, close }, features, acceleration: record.acceleration }
}

/**
 * To be called before anything is changed, so that a start that is killed half-way is no record.
 */
export function forgetRecord({ recordPath }: KernelOptions): void {
  if (recordPath !== undefined) rmSync(recordPath, { force: true })
}

export function writeRecord(options: KernelOptions, record: Omit<LoadRecord, 'stamp'>): void {
  const { recordPath } = options
  if (recordPath === undefined) return
  const text = JSON.stringify({ stamp: stampOf(options), ...record } satisfies LoadRecord)
  try {
    writeFileSync(`${recordPath}-aside`, text, { mode: 0o600 })
    renameSync(`${recordPath}-aside`, recordPath)
  } catch {
    // A full disk costs the next start its time, and must not cost this one its life. The old
    // record is gone already.
  }
}

/** Only what this program wrote is there: the directory is its own. */
function readRecord(path: string | undefined): LoadRecord | undefined {
  if (path === undefined) return undefined
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) ?? undefined) as LoadRecord | undefined
  } catch {
    return undefined
  }
}

function hasAllMaps(maps: Partial<Record<MapName, number>>): maps is MapFds {
  return mapNames.every((name) => maps[name] !== undefined)
}

/** Programs by their pins; only a copy, for a pod that is new, has to be loaded from its file. */
function pinnedObjects(
  { native, objectDir }: KernelOptions,
  pins: PinPaths,
  maps: MapFds,
  { programs, rejected }: LoadRecord,
): LoadedObjects {
  const opened = new Map<string, number>()
  let lookup: BpfObject | undefined
  const program = (name: string): number | undefined => {
    const known = opened.get(name)
    if (known !== undefined || !programs.includes(name)) return known
    const fd = native.bpfGetPinned(join(pins.programs, name))
    if (fd < 0) return undefined
    opened.set(name, fd)
    return fd
  }
  return {
    maps,
    rejected,
    program,
    copyProgram(name, placeholder, value) {
      const path = join(objectDir, `${lookupHook.object}.bpf.o`)
      lookup ??= native.bpfLoad(path, { reuse: maps, maxEntries: {} })
      return lookup.copyProgram(name, placeholder, value)
    },
    close() {
      lookup?.close()
      for (const fd of opened.values()) native.closeFd(fd)
    },
  }
}
