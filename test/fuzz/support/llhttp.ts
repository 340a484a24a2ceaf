import { createRequire } from 'node:module'

/** The parser that Node carries, as nothing exports it in public. */
interface Parser {
  initialize(type: number, resource: object, maxHeaderBytes?: number, lenient?: number): void
  execute(bytes: Buffer): number | Error
  [callback: number]: unknown
}
interface ParserClass {
  new (): Parser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}
const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: ParserClass
  methods: readonly string[]
}

const mostHeadBytes = 1 << 20
const strict = 0

/** The first message of some bytes, as llhttp takes it. */
export interface LlhttpReading {
  readonly method: string
  readonly target: string
  readonly status: number
  readonly fields: readonly string[]
  readonly body: Buffer
  readonly complete: boolean
  /** Why it refuses the message, before its end. */
  readonly error: string | undefined
}

/** Methods that it does not know, it refuses. */
export function knowsMethod(method: string): boolean {
  return methods.includes(method)
}

/** In its strict mode. Undefined: it finds no head in them. */
export function readByLlhttp(bytes: Buffer, response: boolean): LlhttpReading | undefined {
  const early: string[] = []
  const body: Buffer[] = []
  let head: Pick<LlhttpReading, 'method' | 'target' | 'status' | 'fields'> | undefined
  let ends = 0
  const parser = new HTTPParser()
  parser.initialize(response ? HTTPParser.RESPONSE : HTTPParser.REQUEST, {}, mostHeadBytes, strict)
  // Trailers come the same way, after the head.
  parser[HTTPParser.kOnHeaders] = (fields: string[]) => void early.push(...fields)
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    fields: string[] | undefined,
    method: number | undefined,
    target: string | undefined,
    status: number | undefined,
  ) => {
    head ??= {
      method: methods[method ?? -1] ?? '',
      target: target ?? '',
      status: status ?? 0,
      fields: [...early, ...(fields ?? [])],
    }
    return 0
  }
  parser[HTTPParser.kOnBody] = (part: Buffer) => {
    if (ends === 0) body.push(Buffer.from(part))
  }
  parser[HTTPParser.kOnMessageComplete] = () => void (ends += 1)
  const result = parser.execute(bytes)
  if (head === undefined) return undefined
  const error = result instanceof Error && ends === 0 ? result.message : undefined
  return { ...head, body: Buffer.concat(body), complete: ends > 0, error }
}
