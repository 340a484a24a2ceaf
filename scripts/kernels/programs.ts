import { execFileSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Entry } from './cpio.ts'

/** Programs of this machine that tests use, put into the guest with their libraries. */
const programs: readonly string[] = [
  'ip',
  'tc',
  'ss',
  'nft',
  'conntrack',
  'bpftool',
  'setpriv',
  'unshare',
  'nsenter',
  'mount',
  'umount',
  'curl',
]

export interface GuestPrograms {
  readonly entries: readonly Entry[]
  readonly missing: readonly string[]
}

/**
 * Those of `programs` that this machine has, at /usr/bin, and every shared library that they or
 * `more` need.
 */
export function gatherPrograms(more: readonly string[]): GuestPrograms {
  const found = programs.map((name) => ({ name, file: findProgram(name) }))
  const entries: Entry[] = []
  const files = [...more]
  for (const { name, file } of found) {
    if (file === undefined) continue
    files.push(file)
    entries.push({ path: `usr/bin/${name}`, kind: 'file', mode: 0o755, from: file })
  }
  for (const library of new Set(files.flatMap(librariesOf))) {
    entries.push({ path: library.slice(1), kind: 'file', mode: 0o755, from: realpathSync(library) })
  }
  const missing = found.filter(({ file }) => file === undefined).map(({ name }) => name)
  return { entries, missing }
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** Absolute paths as the loader finds them, the loader included. A static program has none. */
export function librariesOf(file: string): readonly string[] {
  let listing: string
  try {
    listing = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return []
  }
  return [...listing.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? [])
}
