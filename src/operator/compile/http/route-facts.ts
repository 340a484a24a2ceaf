import type { FieldError } from '../../../model/fields.ts'
import type {
  HttpCors,
  HttpHeaderEdits,
  HttpMatch,
  HttpRedirect,
  HttpRetry,
  HttpRewrite,
} from '../../../model/http-routes.ts'

/** What is read of an HTTPRoute, checked rule by rule; references are not followed yet. */
export interface HttpRouteFacts {
  readonly namespace: string
  readonly name: string
  /** RFC 3339, so that text order is time order. */
  readonly created: string
  readonly generation: number
  /** Services alone: its Gateways are others' concern. */
  readonly parents: readonly ParentFacts[]
  readonly rules: readonly RuleFacts[]
  /** It has some, which a mesh does not look at. */
  readonly hasHostnames: boolean
}

export interface ParentFacts {
  /** As it was written: status says it back member by member. */
  readonly ref: object
  readonly namespace: string
  readonly name: string
  /** 0: all ports. */
  readonly port: number
  /** Name of a port; empty: all. */
  readonly section: string
}

export interface RuleFacts {
  readonly name: string
  /** Not empty: it is dropped. */
  readonly errors: readonly FieldError[]
  readonly matches: readonly HttpMatch[]
  readonly filters: FilterFacts
  readonly backends: readonly BackendFacts[]
  readonly requestTimeoutMs: number
  readonly backendTimeoutMs: number
  readonly retry: HttpRetry | undefined
}

export interface FilterFacts {
  readonly request?: HttpHeaderEdits
  readonly response?: HttpHeaderEdits
  readonly rewrite?: HttpRewrite
  readonly redirect?: HttpRedirect
  readonly cors?: HttpCors
  readonly mirrors: readonly MirrorFacts[]
  /** Fields of filters that nobody here can apply, and that must not be passed over. */
  readonly foreign: readonly string[]
}

export interface MirrorFacts {
  readonly ref: BackendRef
  readonly numerator: number
  readonly denominator: number
}

export interface BackendFacts {
  readonly ref: BackendRef
  readonly weight: number
  readonly filters: FilterFacts
}

export interface BackendRef {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** 0: not said. */
  readonly port: number
  /** Where it stands. */
  readonly field: string
}
