import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** One file of an archive. Paths have no leading slash; folders above it are made on the way. */
export type Entry =
  | {
      readonly path: string
      readonly kind: 'file'
      readonly mode: number
      readonly from: string | Buffer
    }
  | { readonly path: string; readonly kind: 'link'; readonly to: string }
  | { readonly path: string; readonly kind: 'folder' }
  | {
      readonly path: string
      readonly kind: 'device'
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

const S_IFREG = 0o100000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
const S_IFCHR = 0o020000

/**
 * Writes a cpio archive in the "newc" format, as the kernel's buffer-format.rst describes it:
 * uncompressed, because an emulated CPU takes longer to unpack than the emulator to load. No root
 * needed.
 */
export function writeArchive(file: string, entries: Iterable<Entry>): void {
  const output = openSync(file, 'w')
  const made = new Set(['.'])
  let inode = 1
  const put = (
    path: string,
    mode: number,
    data: Buffer,
    device: readonly [number, number],
  ): void => {
    writeSync(output, header(path, mode, inode++, data.length, device))
    if (data.length > 0) writeWhole(output, data)
    writeSync(output, padding(data.length))
  }
  const makeFolder = (path: string): void => {
    if (made.has(path)) return
    makeFolder(dirname(path))
    made.add(path)
    put(path, S_IFDIR | 0o755, Buffer.alloc(0), [0, 0])
  }
  try {
    for (const entry of entries) {
      makeFolder(dirname(entry.path))
      if (entry.kind === 'folder') makeFolder(entry.path)
      else if (entry.kind === 'link')
        put(entry.path, S_IFLNK | 0o777, Buffer.from(entry.to), [0, 0])
      else if (entry.kind === 'device') {
        put(entry.path, S_IFCHR | entry.mode, Buffer.alloc(0), [entry.major, entry.minor])
      } else {
        const data = typeof entry.from === 'string' ? readFileSync(entry.from) : entry.from
        put(entry.path, S_IFREG | entry.mode, data, [0, 0])
      }
    }
    writeSync(output, header('TRAILER!!!', 0, 0, 0, [0, 0]))
  } finally {
    closeSync(output)
  }
}

function header(
  path: string,
  mode: number,
  inode: number,
  size: number,
  [major, minor]: readonly [number, number],
): Buffer {
  const name = Buffer.from(`${path}\0`)
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name.length, 0]
  const head = Buffer.from(
    `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`,
  )
  return Buffer.concat([head, name, padding(head.length + name.length)])
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4)
}

function writeWhole(output: number, data: Buffer): void {
  for (let written = 0; written < data.length; ) written += writeSync(output, data, written)
}
