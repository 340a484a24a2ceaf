import { existsSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Native } from '../native.ts'
import { layoutVersion } from './abi.ts'
import { removeLink } from './hooks.ts'
import { podHooks } from './objects.ts'
import { layoutDir, pinnedLayouts, pinnedNames, pinPaths, removeTree } from './pins.ts'

/** Pinned layouts that are older than this program's. */
export function layoutsBefore(nodeDirectory: string): number[] {
  return pinnedLayouts(nodeDirectory).filter((version) => version < layoutVersion)
}

/** Takes the hooks away, connect first, then everything that they led to. */
export function removeLayout(native: Native, nodeDirectory: string, version: number): void {
  const directory = layoutDir(nodeDirectory, version)
  if (!existsSync(directory)) return
  const { links } = pinPaths(directory)
  const order = podHooks.map(({ program }) => program)
  const rank = (name: string): number =>
    order.findIndex((program) => name.startsWith(`${program}-`))
  const names = pinnedNames(links).sort((a, b) => rank(b) - rank(a))
  for (const name of names) removeLink(native, join(links, name))
  removeTree(directory)
}

export function removeNode(native: Native, nodeDirectory: string): void {
  for (const version of pinnedLayouts(nodeDirectory)) removeLayout(native, nodeDirectory, version)
  removeTree(nodeDirectory)
  try {
    rmdirSync(dirname(nodeDirectory))
  } catch {
    // Other nodes of this machine have pins there.
  }
}
