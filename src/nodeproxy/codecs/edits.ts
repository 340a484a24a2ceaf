/**
 * Changes of a request's and its response's head as the engine takes them (native/http/message.h):
 * {u8 operation, u8 name length, u16 value length, name, value}.
 */
export interface HeadEdits {
  /** The whole new target. */
  readonly target?: string | undefined
  /** The new Host. */
  readonly authority?: string | undefined
  readonly request?: HeaderEdits | undefined
  readonly response?: HeaderEdits | undefined
}

/** Removals and sets come before additions. Names in lower case. */
export interface HeaderEdits {
  readonly remove: readonly string[]
  readonly set: readonly HeaderField[]
  readonly add: readonly HeaderField[]
}

export interface HeaderField {
  readonly name: string
  readonly value: string
}

const Operation = { remove: 1, set: 2, add: 3, target: 4, authority: 5 } as const
/** What a response's operations are more than a request's. */
const ofResponse = 16
const mostNameBytes = 255
const mostValueBytes = 65_535

/** As the lines of a head. Names and values are those of configuration, which was checked. */
export function encodeHeaderLines(fields: readonly HeaderField[]): string {
  return fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('')
}

/**
 * Undefined when there is nothing to change.
 *
 * @throws RangeError for a name of more than 255 bytes or a value of more than 65,535
 */
export function encodeEdits(edits: HeadEdits): Uint8Array | undefined {
  const parts: Buffer[] = []
  if (edits.target !== undefined) parts.push(encode(Operation.target, '', edits.target))
  if (edits.authority !== undefined) parts.push(encode(Operation.authority, '', edits.authority))
  if (edits.request !== undefined) encodeHeaders(parts, edits.request, 0)
  if (edits.response !== undefined) encodeHeaders(parts, edits.response, ofResponse)
  return parts.length === 0 ? undefined : Buffer.concat(parts)
}

function encodeHeaders(parts: Buffer[], { remove, set, add }: HeaderEdits, base: number): void {
  for (const name of remove) parts.push(encode(base + Operation.remove, name, ''))
  for (const { name, value } of set) parts.push(encode(base + Operation.set, name, value))
  for (const { name, value } of add) parts.push(encode(base + Operation.add, name, value))
}

function encode(operation: number, name: string, value: string): Buffer {
  const key = Buffer.from(name, 'latin1')
  const text = Buffer.from(value, 'latin1')
  if (key.length > mostNameBytes || text.length > mostValueBytes) {
    throw new RangeError(`header ${name}: name or value is too long to be set`)
  }
  const head = Buffer.from([operation, key.length, text.length & 0xff, text.length >> 8])
  return Buffer.concat([head, key, text])
}
