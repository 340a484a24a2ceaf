import { textOf, wordsOf } from '../l4/address.ts'

/**
 * A struct of bpf/abi.h as a table: field -> kind and offset. One table encodes, decodes, and is
 * compared with the BTF of the compiled objects by a test.
 */
export type FieldKind = 'u16' | 'u32' | 'u64' | 'addr'

/**
 * `u64` is a bigint. `addr` is text; the empty string stands for 16 zero bytes, which is "none".
 */
interface KindValue {
  readonly u16: number
  readonly u32: number
  readonly u64: bigint
  readonly addr: string
}

export type Fields = Readonly<Record<string, readonly [FieldKind, number]>>

export interface Layout<F extends Fields> {
  /** The struct's name in bpf/abi.h. */
  readonly name: string
  readonly bytes: number
  readonly fields: F
}

export type Value<L> =
  L extends Layout<infer F> ? { readonly [K in keyof F]: KindValue[F[K][0]] } : never

export function layout<const F extends Fields>(name: string, bytes: number, fields: F): Layout<F> {
  return { name, bytes, fields }
}

/** @throws RangeError for a number that the field cannot hold, or a text that is no address */
export function encode<F extends Fields>(shape: Layout<F>, value: Value<Layout<F>>): Uint8Array {
  const bytes = new Uint8Array(shape.bytes)
  const view = new DataView(bytes.buffer)
  for (const [name, [kind, offset]] of Object.entries(shape.fields)) {
    write(view, kind, offset, value[name as keyof F])
  }
  return bytes
}

export function decode<F extends Fields>(
  shape: Layout<F>,
  bytes: Uint8Array,
  start = 0,
): Value<Layout<F>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, shape.bytes)
  const entries = Object.entries(shape.fields).map(([name, [kind, offset]]) => [
    name,
    read(view, kind, offset),
  ])
  return Object.fromEntries(entries) as Value<Layout<F>>
}

/** All entries of a dump, decoded. */
export function decodeAll<F extends Fields>(
  shape: Layout<F>,
  bytes: Uint8Array,
  count: number,
): Value<Layout<F>>[] {
  return Array.from({ length: count }, (_, index) => decode(shape, bytes, index * shape.bytes))
}

export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

export function u64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}

export function u64Of(bytes: Uint8Array, offset = 0): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset, true)
}

/** 16 bytes in network order, IPv4 as v4-mapped IPv6. */
export function addressBytes(text: string): Uint8Array {
  return text === '' ? new Uint8Array(16) : new Uint8Array(Int32Array.from(wordsOf(text)).buffer)
}

export function addressText(bytes: Uint8Array, offset = 0): string {
  const words = new Int32Array(bytes.slice(offset, offset + 16).buffer)
  return words.every((word) => word === 0) ? '' : textOf(words)
}

function write(view: DataView, kind: FieldKind, offset: number, value: unknown): void {
  switch (kind) {
    case 'u16':
      view.setUint16(offset, inRange(value as number, 0xffff), true)
      break
    case 'u32':
      view.setUint32(offset, inRange(value as number, 0xffffffff), true)
      break
    case 'u64':
      view.setBigUint64(offset, value as bigint, true)
      break
    case 'addr':
      new Uint8Array(view.buffer).set(addressBytes(value as string), offset)
  }
}

function read(view: DataView, kind: FieldKind, offset: number): number | bigint | string {
  switch (kind) {
    case 'u16':
      return view.getUint16(offset, true)
    case 'u32':
      return view.getUint32(offset, true)
    case 'u64':
      return view.getBigUint64(offset, true)
    case 'addr':
      return addressText(new Uint8Array(view.buffer, view.byteOffset + offset, 16))
    default:
      return kind satisfies never
  }
}

function inRange(value: number, highest: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= highest) return value
  throw new RangeError(`${value} is not a whole number from 0 to ${highest}`)
}
