/**
 * HTTP routes as a node needs them: references resolved, bad rules gone, in the order that decides
 * ties. What matches first is found by the node (route/table.ts), from these.
 */

/** All that is attached to one service; the unit that is published. `service` is its key. */
export interface ServiceRoutes {
  readonly type: 'routes'
  readonly service: string
  /** Sorted by port, then by clients. */
  readonly tables: readonly PortRoutes[]
}

/** Rules for one port of the service, for the clients of one namespace or of all others. */
export interface PortRoutes {
  readonly port: number
  /**
   * A namespace: its consumer routes, which replace the producer's for its clients. Empty: the
   * producer's, for everybody else.
   */
  readonly clients: string
  /** Ties between matches are decided by this order. */
  readonly rules: readonly HttpRule[]
}

export interface HttpRule {
  /** `namespace/name` of its HTTPRoute. */
  readonly route: string
  /** Its name there, or else its index. */
  readonly name: string
  /** Any of them is enough; at least one. */
  readonly matches: readonly HttpMatch[]
  readonly filters: HttpFilters
  /** Empty where a redirect answers; else the shares, of which those without a service are 500. */
  readonly backends: readonly HttpBackend[]
  /** For the whole request with its retries. 0: none. */
  readonly requestTimeoutMs: number
  /** For each attempt. 0: none. */
  readonly backendTimeoutMs: number
  readonly retry?: HttpRetry
}

export interface HttpMatch {
  readonly path: HttpPathMatch
  /** Empty: any. Methods are case-sensitive. */
  readonly method: string
  /** All of them; each name once, in lower case. */
  readonly headers: readonly HttpValueMatch[]
  /** All of them; each name once. */
  readonly query: readonly HttpValueMatch[]
}

export interface HttpPathMatch {
  /**
   * `prefix`: whole elements; its value has no `/` at its end, and is empty where all paths match.
   */
  readonly type: 'exact' | 'prefix' | 'regex'
  readonly value: string
}

export interface HttpValueMatch {
  readonly name: string
  /** `regex`: of the whole value. */
  readonly type: 'exact' | 'regex'
  readonly value: string
}

export interface HttpHeader {
  readonly name: string
  readonly value: string
}

/** Each name once over all three: the order of application does not matter. */
export interface HttpHeaderEdits {
  readonly remove: readonly string[]
  readonly set: readonly HttpHeader[]
  readonly add: readonly HttpHeader[]
}

export interface HttpFilters {
  readonly request?: HttpHeaderEdits
  readonly response?: HttpHeaderEdits
  readonly rewrite?: HttpRewrite
  readonly redirect?: HttpRedirect
  readonly mirrors?: readonly HttpMirror[]
  readonly cors?: HttpCors
}

/** `prefix` replaces what a prefix match matched; its value has no `/` at its end. */
export interface HttpPathEdit {
  readonly type: 'full' | 'prefix'
  readonly value: string
}

export interface HttpRewrite {
  /** Empty: as it is. */
  readonly hostname: string
  readonly path?: HttpPathEdit
}

export interface HttpRedirect {
  readonly scheme: '' | 'http' | 'https'
  readonly hostname: string
  /** 0: that of the scheme, or else of the connection. */
  readonly port: number
  readonly status: number
  readonly path?: HttpPathEdit
}

/** A copy of so many of so many requests goes there, and what it answers nowhere. */
export interface HttpMirror {
  readonly service: string
  readonly port: number
  readonly numerator: number
  readonly denominator: number
}

export interface HttpCors {
  /** `*`, or scheme, host and port; a `*` in the host stands for anything. */
  readonly origins: readonly string[]
  readonly credentials: boolean
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly maxAgeSeconds: number
}

export interface HttpBackend {
  /** Key of the service; empty: an invalid one, whose share is answered 500. */
  readonly service: string
  readonly port: number
  /** At least 1: those of 0 are left out. */
  readonly weight: number
  /** After those of the rule. */
  readonly filters?: HttpFilters
}

export interface HttpRetry {
  /** Besides the first attempt. */
  readonly attempts: number
  readonly statuses: readonly number[]
  readonly backoffMs: number
}

/** Keys of all services to which a service's routes lead. */
export function servicesOfRoutes({ tables }: ServiceRoutes): ReadonlySet<string> {
  const services = new Set<string>()
  for (const { rules } of tables) {
    for (const { filters, backends } of rules) {
      for (const { service } of filters.mirrors ?? []) services.add(service)
      for (const backend of backends) {
        if (backend.service !== '') services.add(backend.service)
        for (const { service } of backend.filters?.mirrors ?? []) services.add(service)
      }
    }
  }
  return services
}
