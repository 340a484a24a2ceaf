import type { HttpCors, HttpHeader, HttpHeaderEdits } from '../../model/http-routes.ts'
import type { RequestHead } from '../codecs/request-head.ts'

/** A browser's question before the request itself. */
export function isPreflight(head: RequestHead): boolean {
  return (
    head.method === 'OPTIONS' &&
    head.header('origin') !== undefined &&
    head.header('access-control-request-method') !== undefined
  )
}

/**
 * What a preflight is answered; nothing for an origin that is not allowed, and the browser ends.
 */
export function preflightHeaders(cors: HttpCors, head: RequestHead): readonly HttpHeader[] {
  const origin = head.header('origin') ?? ''
  const allowed = allowedOrigin(cors, origin)
  const vary = { name: 'Vary', value: 'Origin' }
  if (allowed === undefined) return [vary]
  const method = head.header('access-control-request-method') ?? ''
  const headers = head.header('access-control-request-headers') ?? ''
  return [
    ...commonHeaders(cors, allowed),
    ...optional('Access-Control-Allow-Methods', listed(cors.methods, cors.credentials, method)),
    ...optional('Access-Control-Allow-Headers', listed(cors.headers, cors.credentials, headers)),
    { name: 'Access-Control-Max-Age', value: String(cors.maxAgeSeconds) },
    ...(allowed === '*' ? [] : [vary]),
  ]
}

/** For the response to a request across origins. */
export function corsEdits(cors: HttpCors, head: RequestHead): HttpHeaderEdits | undefined {
  const origin = head.header('origin')
  const allowed = origin === undefined ? undefined : allowedOrigin(cors, origin)
  if (allowed === undefined) return undefined
  // With credentials a `*` would be the name of a header.
  const exposed = cors.credentials ? cors.expose.filter((name) => name !== '*') : cors.expose
  return {
    remove: [],
    set: [
      ...commonHeaders(cors, allowed),
      ...optional('Access-Control-Expose-Headers', exposed.join(', ')),
    ],
    add: allowed === '*' ? [] : [{ name: 'Vary', value: 'Origin' }],
  }
}

function commonHeaders(cors: HttpCors, allowed: string): readonly HttpHeader[] {
  return [
    { name: 'Access-Control-Allow-Origin', value: allowed },
    ...(cors.credentials ? [{ name: 'Access-Control-Allow-Credentials', value: 'true' }] : []),
  ]
}

/** With credentials a `*` means nothing to a browser, so what it asked for is said back. */
function listed(allowed: readonly string[], credentials: boolean, asked: string): string {
  if (!allowed.includes('*')) return allowed.join(', ')
  return credentials ? asked : '*'
}

function optional(name: string, value: string): readonly HttpHeader[] {
  return value === '' ? [] : [{ name, value }]
}

/** @returns what Access-Control-Allow-Origin says; undefined: the origin is not allowed */
function allowedOrigin({ origins, credentials }: HttpCors, origin: string): string | undefined {
  if (origins.includes('*')) return credentials ? origin : '*'
  const asked = splitOrigin(origin)
  if (asked === undefined) return undefined
  return origins.some((allowed) => isSame(splitOrigin(allowed), asked)) ? origin : undefined
}

interface Origin {
  readonly scheme: string
  readonly host: string
  readonly port: string
}

const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' }

function splitOrigin(origin: string): Origin | undefined {
  const found = /^(https?):\/\/([^/:[\]]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/.exec(
    origin.toLowerCase(),
  )
  if (found === null) return undefined
  const [, scheme = '', host = '', port] = found
  return { scheme, host, port: port ?? defaultPorts[scheme] ?? '' }
}

function isSame(allowed: Origin | undefined, asked: Origin): boolean {
  return (
    allowed !== undefined &&
    allowed.scheme === asked.scheme &&
    allowed.port === asked.port &&
    matchesHost(allowed.host, asked.host)
  )
}

/** A `*` stands for anything, labels and dots; one is what a host may have. */
function matchesHost(allowed: string, host: string): boolean {
  const star = allowed.indexOf('*')
  if (star === -1) return allowed === host
  const [start, end] = [allowed.slice(0, star), allowed.slice(star + 1)]
  return host.length >= start.length + end.length && host.startsWith(start) && host.endsWith(end)
}
