// Rules and requests with what most tests do not care for.
import type { HttpMatch, HttpRule, PortRoutes } from '../../../../src/model/http-routes.ts'
import type { RequestHead } from '../../../../src/nodeproxy/codecs/request-head.ts'

export function match(changes: Partial<HttpMatch> = {}): HttpMatch {
  return { path: { type: 'prefix', value: '' }, method: '', headers: [], query: [], ...changes }
}

export function rule(name: string, changes: Partial<HttpRule> = {}): HttpRule {
  return {
    route: 'shop/web',
    name,
    matches: [match()],
    filters: {},
    backends: [{ service: `shop/${name}`, port: 80, weight: 1 }],
    requestTimeoutMs: 0,
    backendTimeoutMs: 0,
    ...changes,
  }
}

export function portRoutes(rules: readonly HttpRule[]): PortRoutes {
  return { port: 80, clients: '', rules }
}

interface RequestChanges {
  readonly method?: string
  readonly authority?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** @param target as on the wire */
export function request(target: string, changes: RequestChanges = {}): RequestHead {
  const [path = '', ...rest] = target.split('?')
  const { method = 'GET', authority = 'web', headers = {} } = changes
  return {
    method,
    path,
    query: rest.length === 0 ? undefined : rest.join('?'),
    authority,
    scheme: 'http',
    header: (name) => headers[name],
  }
}
