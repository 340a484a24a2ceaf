import { join } from 'node:path'
import type { Native } from '../native.ts'
import { layoutVersion } from './abi.ts'
import { allowedModes, withAcceleration } from './acceleration.ts'
import { adopt, forgetRecord, writeRecord } from './adopt.ts'
import { attachAll, programsToPin } from './attach.ts'
import { must } from './errors.ts'
import { identify } from './identity.ts'
import type { FeatureState, Kernel, KernelOptions, LoadReport } from './kernel.ts'
import { u32Bytes } from './layout.ts'
import { type LoadedObjects, loadObjects } from './load.ts'
import { defaultMapSizes, type MapFds, type MapName, mapNames, maxEntriesOf } from './maps.ts'
import { createKernel } from './node-kernel.ts'
import { withNodeLock } from './node-lock.ts'
import {
  layoutDir,
  nodeDir,
  pinAside,
  pinnedLayouts,
  pinPaths,
  removeAside,
  removeTree,
  requireBpffs,
} from './pins.ts'
import { encodeSettings, type Settings } from './settings.ts'
import { closeTargets, openTargets, type Targets } from './targets.ts'
import { createUndo, type Undo } from './undo.ts'

/** The map that all layouts of a node share; see bpf/abi.h. */
const sharedMap: MapName = 'active_layout'

/**
 * Loads the programs, takes over or makes maps and links, and gives the node's kernel part.
 *
 * Everything is loaded before anything is changed: a program that the verifier rejects, a cgroup
 * that is not there or a pinned map of another shape leaves what was live as it was.
 *
 * @throws Error that names what could not be had, why, and the fix
 */
export function openKernel(options: KernelOptions): Kernel {
  requireBpffs(options.bpffsDir)
  const directory = nodeDir(options.bpffsDir, options.node)
  return withNodeLock(options.native, directory, () => openLocked(options, directory))
}

function openLocked(options: KernelOptions, directory: string): Kernel {
  const maxEntries = maxEntriesOf({ ...defaultMapSizes, ...options.mapSizes })
  removeAside(directory)
  const target = layoutDir(directory, layoutVersion)
  const older = pinnedLayouts(directory).some((version) => version < layoutVersion)
  const targets = openTargets(options)
  try {
    const pinned = openPinned(options.native, directory, target)
    const place = { options, directory, target, maxEntries, older, targets, pinned }
    return openAdopted(place) ?? openLoaded(place)
  } finally {
    closeTargets(targets)
  }
}

/** Where one start finds and puts things. */
interface Place {
  readonly options: KernelOptions
  readonly directory: string
  readonly target: string
  readonly maxEntries: Partial<Record<MapName, number>>
  /** Another layout is pinned, which this one is to take over from. */
  readonly older: boolean
  readonly targets: Targets
  readonly pinned: Partial<Record<MapName, number>>
}

function openAdopted(place: Place): Kernel | undefined {
  const { options, directory, target, older, pinned, targets } = place
  const pins = pinPaths(target)
  const adopted = older ? undefined : adopt(options, pins, pinned, targets)
  if (adopted === undefined) return undefined
  const { loaded, features } = adopted
  const settings = { ...options.settings, acceleration: adopted.acceleration }
  writeSettings(place, loaded, settings)
  const report = reportOf(place, loaded, 'adopted', features)
  return createKernel({ options, directory, pins, loaded, report, settings })
}

function openLoaded(place: Place): Kernel {
  const { options, directory, target, maxEntries, older, pinned, targets } = place
  const { native, objectDir } = options
  const undo = createUndo()
  try {
    const loaded = loadObjects(native, { objectDir, reuse: pinned, maxEntries })
    undo.add(() => loaded.close())
    forgetRecord(options)
    pinMaps(native, { directory, target, loaded, pinned }, undo)
    const acceleration = allowedModes(options, loaded)
    const settings = { ...options.settings, acceleration: acceleration.modes }
    writeSettings(place, loaded, settings)
    const pins = pinPaths(target)
    const context = { native, pins, loaded, ...targets }
    const attached = attachAll(context, undo)
    const features = withAcceleration(attached, acceleration)
    const programs = programsToPin(context)
    const { rejected } = loaded
    const { modes } = acceleration
    if (acceleration.known) {
      const left = identify(native, pins, loaded.maps, programs)
      writeRecord(options, { programs, pinned: left, rejected, features, acceleration: modes })
    }
    const fresh = pinned.origins === undefined
    const start = fresh ? (older ? 'beside' : 'fresh') : 'restarted'
    const report = reportOf(place, loaded, start, features)
    return createKernel({ options, directory, pins, loaded, report, settings })
  } catch (error) {
    undo.run()
    throw error
  } finally {
    for (const fd of Object.values(pinned)) native.closeFd(fd)
  }
}

function writeSettings({ options, older }: Place, { maps }: LoadedObjects, settings: Settings) {
  const bytes = encodeSettings(settings, older)
  must('write settings', options.native.bpfMapUpdate(maps.settings, u32Bytes(0), bytes, 0))
}

function reportOf(
  { options, maxEntries }: Place,
  { maps }: LoadedObjects,
  start: LoadReport['start'],
  features: readonly FeatureState[],
): LoadReport {
  const notes = [...sizeNotes(options.native, maps, maxEntries), ...offNotes(features)]
  return { layout: layoutVersion, start, features, notes }
}

function openPinned(
  native: Native,
  directory: string,
  target: string,
): Partial<Record<MapName, number>> {
  const fds: Partial<Record<MapName, number>> = {}
  for (const name of mapNames) {
    const fd = native.bpfGetPinned(
      name === sharedMap ? join(directory, name) : join(pinPaths(target).maps, name),
    )
    if (fd >= 0) fds[name] = fd
  }
  return fds
}

interface PinRequest {
  readonly directory: string
  readonly target: string
  readonly loaded: LoadedObjects
  readonly pinned: Partial<Record<MapName, number>>
}

function pinMaps(native: Native, request: PinRequest, undo: Undo): void {
  const { directory, target, loaded, pinned } = request
  if (pinned[sharedMap] === undefined) {
    native.bpfPin(loaded.maps[sharedMap], join(directory, sharedMap))
  }
  const unpinned = mapNames.filter((name) => name !== sharedMap && pinned[name] === undefined)
  if (pinned.origins === undefined) {
    removeTree(target)
    pinAside(
      native,
      directory,
      target,
      Object.fromEntries(unpinned.map((n) => [n, loaded.maps[n]])),
    )
    undo.add(() => removeTree(target))
    return
  }
  // A newer version of this layout may bring maps that the pinned one did not have.
  for (const name of unpinned) native.bpfPin(loaded.maps[name], join(pinPaths(target).maps, name))
}

function sizeNotes(
  native: Native,
  maps: MapFds,
  maxEntries: Partial<Record<MapName, number>>,
): string[] {
  return Object.entries(maxEntries).flatMap(([name, wanted]) => {
    const has = native.bpfMapInfo(maps[name as MapName]).maxEntries
    if (has === wanted) return []
    return [
      `map ${name} keeps its ${has} entries (configured: ${wanted}) until the node is emptied`,
    ]
  })
}

function offNotes(features: readonly FeatureState[]): string[] {
  return features.filter(({ on }) => !on).map(({ name, reason }) => `${name} is off: ${reason}`)
}
