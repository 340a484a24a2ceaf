import type { HttpHeader, HttpHeaderEdits, HttpRetry } from '../../model/http-routes.ts'

/** What is to be done with a request. */
export type RouteDecision = ForwardDecision | RespondDecision

/** Which rule decided, for metrics and logs; one object a rule. */
export interface RouteName {
  /** `namespace/name` of the HTTPRoute; empty: none decided. */
  readonly route: string
  /** Its name there, or else its index. */
  readonly rule: string
}

export interface RouteBackend {
  /** Key of the service. */
  readonly service: string
  readonly port: number
}

export interface ForwardDecision {
  readonly action: 'forward'
  readonly route: RouteName
  readonly backend: RouteBackend
  /** Path and query to be sent instead; undefined: as they came. */
  readonly target: string | undefined
  /** Host to be sent instead. */
  readonly authority: string | undefined
  readonly requestEdits: HttpHeaderEdits
  /** Also for what the proxy answers in the backend's place (502, 503, 504). */
  readonly responseEdits: HttpHeaderEdits
  /** For the whole request with its retries. 0: none. */
  readonly requestTimeoutMs: number
  /** For each attempt. 0: none. */
  readonly backendTimeoutMs: number
  readonly retry: HttpRetry | undefined
  /** Each gets a copy; drawn already. */
  readonly mirrors: readonly RouteBackend[]
}

/** An answer without a backend, and without a body. */
export interface RespondDecision {
  readonly action: 'respond'
  readonly status: number
  readonly headers: readonly HttpHeader[]
  readonly route: RouteName
  readonly cause: 'noRoute' | 'noBackend' | 'invalidBackend' | 'redirect' | 'corsPreflight'
}
