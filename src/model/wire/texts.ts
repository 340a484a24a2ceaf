import protobuf from 'protobufjs/light.js'

/**
 * Most texts of messages are the same ones again: names of nodes, zones, owners, services. A reader
 * from here gives the same string for them each time, so that who keeps what was read keeps them
 * once, and most are not decoded at all.
 */
export function openReader(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes)
  const decode = reader.stringVerify.bind(reader)
  reader.stringVerify = () => known(reader) ?? remember(decode())
  return reader
}

/** Longer ones, and other than ASCII, are rare. */
const maxLength = 64
const slots = 4_096

/** A text has one place; it gets it when it comes for the second time. */
const texts: string[] = Array.from({ length: slots }, () => '')
const hashes = new Uint32Array(slots)
let lastHash = 0

/** Moves on by the text that comes, if that is known; else stays. */
function known(reader: protobuf.Reader): string | undefined {
  const before = reader.pos
  const length = reader.uint32()
  const start = reader.pos
  lastHash = 0
  if (length > 0 && length <= maxLength && start + length <= reader.len) {
    const { buf } = reader
    let hash = 0x811c9dc5
    for (let at = start; at < start + length; at += 1) {
      hash = Math.imul(hash ^ (buf[at] ?? 0), 0x01000193)
    }
    lastHash = (hash ^ (hash >>> 15)) >>> 0
    const text = texts[lastHash & (slots - 1)] ?? ''
    if (isAt(text, buf, start, length)) {
      reader.pos = start + length
      return text
    }
  }
  reader.pos = before
  return undefined
}

function isAt(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let at = 0; at < length; at += 1) {
    if (text.charCodeAt(at) !== bytes[start + at]) return false
  }
  return true
}

function remember(text: string): string {
  if (lastHash === 0) return text
  const slot = lastHash & (slots - 1)
  // What comes once takes nobody's place.
  if (hashes[slot] === lastHash && isAscii(text)) texts[slot] = text
  hashes[slot] = lastHash
  return text
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 127) return false
  return true
}
