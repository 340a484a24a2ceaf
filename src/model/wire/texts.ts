import protobuf from 'protobufjs/light.js'

/**
 * Most texts of messages are the same ones again: names of nodes, zones, owners, services. A reader
 * from here gives the same string for them each time, so that who keeps what was read keeps them
 * once, and does not decode them. Others it makes in one piece: protobufjs puts short ones together
 * out of pieces of eight characters, which stay pieces in memory.
 */
export function openReader(bytes: Uint8Array): protobuf.Reader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const reader = protobuf.Reader.create(buffer)
  const decode = reader.stringVerify.bind(reader)
  reader.stringVerify = () => readAscii(reader, buffer) ?? decode()
  return reader
}

/** Longer ones, and other than ASCII, are rare. */
const maxLength = 128
const slots = 4_096

/** A text has one place; it gets it when it comes for the second time. */
const texts: string[] = Array.from({ length: slots }, () => '')
const hashes = new Uint32Array(slots)

/** @returns undefined for what is none, or too long: the reader stays where it is */
function readAscii(reader: protobuf.Reader, buffer: Buffer): string | undefined {
  const before = reader.pos
  const length = reader.uint32()
  const start = reader.pos
  const end = start + length
  reader.pos = before
  if (length === 0 || length > maxLength || end > reader.len) return undefined
  let hash = 0x811c9dc5
  let bits = 0
  for (let at = start; at < end; at += 1) {
    const byte = buffer[at] ?? 0
    bits |= byte
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  if (bits > 127) return undefined
  reader.pos = end
  return textAt(buffer, start, end, (hash ^ (hash >>> 15)) >>> 0)
}

function textAt(buffer: Buffer, start: number, end: number, hash: number): string {
  const slot = hash & (slots - 1)
  const known = texts[slot] ?? ''
  if (isAt(known, buffer, start, end)) return known
  const text = buffer.toString('latin1', start, end)
  // What comes once takes nobody's place.
  if (hashes[slot] === hash) texts[slot] = text
  hashes[slot] = hash
  return text
}

function isAt(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let at = start; at < end; at += 1) {
    if (text.charCodeAt(at - start) !== buffer[at]) return false
  }
  return true
}
