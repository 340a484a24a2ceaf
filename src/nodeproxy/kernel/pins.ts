import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Native } from '../native.ts'

/** Where one layout of one node is pinned. */
export interface PinPaths {
  readonly layout: string
  readonly maps: string
  readonly programs: string
  readonly links: string
}

const bpffsMagic = 0xcafe4a11

/** @throws Error when `bpffsDir` is not a mounted bpffs, with the command that mounts one */
export function requireBpffs(bpffsDir: string): void {
  const fix = `mount -t bpf bpf ${bpffsDir}`
  if (!existsSync(bpffsDir)) {
    throw new Error(
      `cannot pin kernel objects: ${bpffsDir} does not exist; make it and run \`${fix}\``,
    )
  }
  if (statfsSync(bpffsDir).type === bpffsMagic) return
  throw new Error(`cannot pin kernel objects: no bpffs is mounted at ${bpffsDir}; run \`${fix}\``)
}

/**
 * The node's own directory: bpffs refuses names with a dot, so all but letters, digits and - are
 * escaped.
 */
export function nodeDir(bpffsDir: string, node: string): string {
  const name = node.replaceAll(/[^A-Za-z0-9-]/gu, (char) => `_${char.charCodeAt(0).toString(16)}_`)
  return join(bpffsDir, 'sluice', name)
}

export function pinPaths(layoutDir: string): PinPaths {
  return {
    layout: layoutDir,
    maps: join(layoutDir, 'maps'),
    programs: join(layoutDir, 'progs'),
    links: join(layoutDir, 'links'),
  }
}

export function layoutDir(nodeDirectory: string, layoutVersion: number): string {
  return join(nodeDirectory, `v${layoutVersion}`)
}

/** Layout versions that have pins, lowest first. */
export function pinnedLayouts(nodeDirectory: string): number[] {
  if (!existsSync(nodeDirectory)) return []
  return readdirSync(nodeDirectory)
    .flatMap((name) => (/^v\d+$/u.test(name) ? [Number(name.slice(1))] : []))
    .sort((a, b) => a - b)
}

/** Half-made layouts of a start that was killed. */
export function removeAside(nodeDirectory: string): void {
  if (!existsSync(nodeDirectory)) return
  for (const name of readdirSync(nodeDirectory)) {
    if (name.startsWith('aside-')) removeTree(join(nodeDirectory, name))
  }
}

/** Pins all descriptors beside the live ones and moves them into place together. */
export function pinAside(
  native: Native,
  nodeDirectory: string,
  target: string,
  descriptors: Readonly<Record<string, number>>,
): void {
  const aside = join(nodeDirectory, `aside-${process.pid}`)
  removeTree(aside)
  const { maps, programs, links } = pinPaths(aside)
  for (const dir of [maps, programs, links]) mkdirSync(dir, { recursive: true })
  try {
    for (const [name, fd] of Object.entries(descriptors)) {
      native.bpfPin(fd, join(maps, name))
    }
    renameSync(aside, target) // from here on the layout exists
  } catch (error) {
    removeTree(aside)
    throw error
  }
}

/** Replaces a pin in one step: whoever opens it gets the old object or the new one. */
export function repin(native: Native, fd: number, path: string): void {
  const aside = `${path}-aside`
  unpin(aside)
  native.bpfPin(fd, aside)
  renameSync(aside, path)
}

export function unpin(path: string): void {
  if (existsSync(path)) unlinkSync(path)
}

export function pinnedNames(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).sort() : []
}

/** fs.rmSync asks for permissions and types that bpffs does not give; this only unlinks. */
export function removeTree(dir: string): void {
  if (!existsSync(dir)) return
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) removeTree(path)
    else unlinkSync(path)
  }
  rmdirSync(dir)
}
