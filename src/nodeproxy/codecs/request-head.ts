import { blankHttp, type RequestEvent } from '../io/http-events.ts'

/**
 * What of a request decides where it goes. Valid during one callback: keep strings, not this. They
 * are made when they are asked for, once each.
 */
export interface RequestHead {
  /** As sent: methods are case-sensitive. */
  readonly method: string
  /**
   * From the target up to '?', as on the wire. Of an absolute target its path ('/' if empty); '*'
   * for OPTIONS *; empty for CONNECT.
   */
  readonly path: string
  /** After the first '?'; undefined when there is none. */
  readonly query: string | undefined
  /** Host, or that of the target where it has one, with its port as sent. */
  readonly authority: string
  readonly scheme: 'http' | 'https'
  /** By lower-case name. Several lines of one name are joined by ', '; undefined: none. */
  header(name: string): string | undefined
}

/** The head of the request that the last `view` was given. One object, reused. */
export interface RequestHeadReader {
  view(event: RequestEvent): RequestHead
}

const upperA = 65
const upperZ = 90
const entryWords = 4

/** What the events' offsets point into, as bytes and as the tables of headers. */
interface Memory {
  readonly bytes: Buffer
  readonly table: Uint16Array
}

export function createRequestHeadReader(slab: ArrayBuffer): RequestHeadReader {
  const memory = { bytes: Buffer.from(slab), table: new Uint16Array(slab) }
  let event = blankHttp.request()
  let method: string | undefined
  let target: string | undefined
  let authority: string | undefined
  let queryAt = 0

  const text = (from: number, length: number): string =>
    memory.bytes.toString('latin1', from, from + length)

  function readTarget(): string {
    if (target === undefined) {
      target = text(event.targetOffset, event.targetLength)
      queryAt = target.indexOf('?')
    }
    return target
  }

  const head: RequestHead = {
    get method() {
      method ??= text(event.headOffset, event.methodLength)
      return method
    },
    get path() {
      const whole = readTarget()
      const path = queryAt < 0 ? whole : whole.slice(0, queryAt)
      if (head.method === 'CONNECT') return ''
      return path === '' ? '/' : path
    },
    get query() {
      const whole = readTarget()
      return queryAt < 0 ? undefined : whole.slice(queryAt + 1)
    },
    get authority() {
      authority ??= text(event.authorityOffset, event.authorityLength)
      return authority
    },
    scheme: 'http',
    header: (name) => findHeader(memory, event, name),
  }
  return {
    view(next) {
      event = next
      method = undefined
      target = undefined
      authority = undefined
      return head
    },
  }
}

function findHeader({ bytes, table }: Memory, event: RequestEvent, name: string) {
  const { headOffset, tableOffset, headerCount } = event
  let value: string | undefined
  const first = tableOffset / 2
  for (let entry = first; entry < first + headerCount * entryWords; entry += entryWords) {
    if (!nameIs(bytes, headOffset + (table[entry] ?? 0), table[entry + 1] ?? 0, name)) continue
    const at = headOffset + (table[entry + 2] ?? 0)
    const line = bytes.toString('latin1', at, at + (table[entry + 3] ?? 0))
    value = value === undefined ? line : `${value}, ${line}`
  }
  return value
}

function nameIs(bytes: Buffer, at: number, length: number, name: string): boolean {
  if (length !== name.length) return false
  for (let index = 0; index < length; index += 1) {
    const byte = bytes[at + index] ?? 0
    const lower = byte >= upperA && byte <= upperZ ? byte | 0x20 : byte
    if (lower !== name.charCodeAt(index)) return false
  }
  return true
}
