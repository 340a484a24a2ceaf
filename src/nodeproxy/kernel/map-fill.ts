import type { Native } from '../native.ts'
import { fillLayout } from './abi.ts'
import { decode } from './layout.ts'
import type { MapFds, MapName } from './maps.ts'

export interface MapFill {
  readonly map: string
  readonly entries: number
  readonly maxEntries: number
}

/** Counted inside the kernel: some 1 ms for the default sizes, whatever they hold. */
export function readMapFill(native: Native, maps: MapFds, countEntriesProgFd: number): MapFill[] {
  const context = new Uint8Array(fillLayout.bytes)
  native.bpfProgRun(countEntriesProgFd, context)
  const fill = decode(fillLayout, context)
  const entry = (map: MapName, entries: number): MapFill => ({
    map,
    entries,
    maxEntries: native.bpfMapInfo(maps[map]).maxEntries,
  })
  return [
    entry('pods_by_netns', fill.pods),
    entry('origins', fill.origins),
    entry('bypasses', fill.bypasses),
    entry('sock_info', fill.sockets),
    entry('pairs', fill.pairs),
    entry('pod_habits', fill.podHabits),
  ]
}
