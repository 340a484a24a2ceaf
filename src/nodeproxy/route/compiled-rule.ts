import type {
  HttpCors,
  HttpFilters,
  HttpHeaderEdits,
  HttpMatch,
  HttpMirror,
  HttpPathMatch,
  HttpRedirect,
  HttpRewrite,
  HttpRule,
} from '../../model/http-routes.ts'
import type { RouteBackend, RouteName } from './decision.ts'
import { composeEdits } from './header-edits.ts'
import { type Predicate, predicatesOf } from './predicates.ts'

/** A rule, made ready for requests: all that is the same for each of them is made here. */
export interface CompiledRule {
  readonly source: HttpRule
  readonly name: RouteName
  readonly matches: readonly CompiledMatch[]
  /** Where no share is asked for: a redirect, and what says that there is no backend. */
  readonly actions: Actions
  readonly shares: readonly Share[]
}

export interface CompiledMatch {
  readonly path: HttpPathMatch
  readonly predicates: readonly Predicate[]
  readonly source: HttpMatch
}

/** Filters of the rule, or of the rule and one of its backends. */
export interface Actions {
  readonly requestEdits: HttpHeaderEdits
  readonly responseEdits: HttpHeaderEdits
  readonly rewrite: HttpRewrite | undefined
  readonly redirect: HttpRedirect | undefined
  readonly mirrors: readonly Mirror[]
  readonly cors: HttpCors | undefined
}

export interface Mirror {
  readonly backend: RouteBackend
  readonly source: HttpMirror
}

export interface Share {
  readonly weight: number
  /** Undefined: an invalid one. */
  readonly backend: RouteBackend | undefined
  readonly actions: Actions
}

export function compileRule(source: HttpRule): CompiledRule {
  return {
    source,
    name: { route: source.route, rule: source.name },
    matches: source.matches.map((match) => ({
      path: match.path,
      predicates: predicatesOf(match),
      source: match,
    })),
    actions: actionsOf([source.filters]),
    shares: source.backends.map(({ service, port, weight, filters }) => ({
      weight,
      backend: service === '' ? undefined : { service, port },
      actions: actionsOf(filters === undefined ? [source.filters] : [source.filters, filters]),
    })),
  }
}

/** In the order of application; where there can be one alone, that of the backend. */
function actionsOf(all: readonly HttpFilters[]): Actions {
  const last = <T>(read: (filters: HttpFilters) => T | undefined): T | undefined =>
    all.map(read).findLast((one) => one !== undefined)
  return {
    requestEdits: composeEdits(all.map(({ request }) => request)),
    responseEdits: composeEdits(all.map(({ response }) => response)),
    rewrite: last(({ rewrite }) => rewrite),
    redirect: last(({ redirect }) => redirect),
    mirrors: all.flatMap(({ mirrors = [] }) =>
      mirrors.map((mirror) => ({
        backend: { service: mirror.service, port: mirror.port },
        source: mirror,
      })),
    ),
    cors: last(({ cors }) => cors),
  }
}
