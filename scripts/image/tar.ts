import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** One entry of an archive. Paths have no leading slash; folders above it are made on the way. */
export type TarEntry =
  | {
      readonly kind: 'file'
      readonly path: string
      readonly mode: number
      /** A file's name, or what is in it. */
      readonly from: string | Buffer
    }
  | { readonly kind: 'link'; readonly path: string; readonly to: string }
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }

const BLOCK = 512
const CHUNK = 1 << 20

/**
 * A tar archive (POSIX.1-2001, pax headers for long names) that is the same bytes whenever the same
 * entries are put in: sorted, owned by root, of one time.
 * @param seconds of every entry's time of change
 * @throws Error when a path is there twice
 */
export function* tarChunks(entries: readonly TarEntry[], seconds: number): Generator<Buffer> {
  for (const entry of withFolders(entries)) {
    const { path } = entry
    const name = entry.kind === 'folder' ? `${path}/` : path
    const target = entry.kind === 'link' ? entry.to : ''
    const long = tooLong(name) ? [pax('path', name)] : []
    if (tooLong(target)) long.push(pax('linkpath', target))
    if (long.length > 0) {
      const data = Buffer.from(long.join(''))
      yield header({ name: 'pax', mode: 0o644, size: data.length, type: 'x', target: '' }, seconds)
      yield padded(data)
    }
    if (entry.kind !== 'file') {
      const mode = entry.kind === 'link' ? 0o777 : (entry.mode ?? 0o755)
      yield header(
        { name, mode, size: 0, type: entry.kind === 'link' ? '2' : '5', target },
        seconds,
      )
      continue
    }
    const size = Buffer.isBuffer(entry.from) ? entry.from.length : statSync(entry.from).size
    yield header({ name, mode: entry.mode, size, type: '0', target }, seconds)
    if (Buffer.isBuffer(entry.from)) yield entry.from
    else yield* contents(entry.from, size)
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
  }
  yield Buffer.alloc(2 * BLOCK)
}

function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const all = new Map<string, TarEntry>()
  for (const entry of entries) {
    const known = all.get(entry.path)
    if (known !== undefined) throw new Error(`${entry.path} is in the archive twice`)
    all.set(entry.path, entry)
  }
  for (const { path } of entries) {
    for (let above = dirname(path); above !== '.'; above = dirname(above)) {
      if (!all.has(above)) all.set(above, { kind: 'folder', path: above })
    }
  }
  // By code units: a locale must not change the bytes.
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function tooLong(name: string): boolean {
  return Buffer.byteLength(name) > 99
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits too. */
function pax(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

interface Header {
  readonly name: string
  readonly mode: number
  readonly size: number
  readonly type: string
  readonly target: string
}

function header({ name, mode, size, type, target }: Header, seconds: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  block.write(name.slice(0, 99), 0)
  block.write(octal(mode, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(seconds, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write(target.slice(0, 99), 157)
  block.write('ustar\u000000', 257)
  block.write('root', 265)
  block.write('root', 297)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)])
}

function* contents(file: string, size: number): Generator<Buffer> {
  const input = openSync(file, 'r')
  try {
    for (let left = size; left > 0; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, left))
      const length = readSync(input, chunk)
      if (length === 0) throw new Error(`${file} became shorter while it was read`)
      left -= length
      yield chunk.subarray(0, length)
    }
  } finally {
    closeSync(input)
  }
}
