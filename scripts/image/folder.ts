import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { TarEntry } from './tar.ts'

/** Writes entries as files below an empty folder. @throws Error when the folder is not empty */
export function writeFolder(folder: string, entries: readonly TarEntry[]): void {
  mkdirSync(folder, { recursive: true })
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty: name a new folder`)
  for (const entry of entries) {
    const path = join(folder, entry.path)
    mkdirSync(dirname(path), { recursive: true })
    if (entry.kind === 'link') symlinkSync(entry.to, path)
    else if (entry.kind === 'folder') mkdirSync(path, { recursive: true })
    else if (Buffer.isBuffer(entry.from)) writeFileSync(path, entry.from)
    else copyFileSync(entry.from, path)
    // Not by the calls above, which the process's umask bounds.
    if (entry.kind !== 'link') chmodSync(path, entry.mode ?? 0o755)
  }
}
