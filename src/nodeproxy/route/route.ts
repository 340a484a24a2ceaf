import type { HttpHeader, HttpHeaderEdits } from '../../model/http-routes.ts'
import type { Actions, CompiledRule } from './compiled-rule.ts'
import { corsEdits, isPreflight, preflightHeaders } from './cors.ts'
import type { ForwardDecision, RespondDecision, RouteDecision, RouteName } from './decision.ts'
import type { Draw } from './draw.ts'
import { composeEdits } from './header-edits.ts'
import type { Found } from './path-index.ts'
import { editPath, targetOf } from './path-edit.ts'
import { locationOf } from './redirect.ts'
import type { RequestHead } from '../codecs/request-head.ts'
import type { RouteTable } from './table.ts'

const nobody: RouteName = { route: '', rule: '' }

/**
 * Where a request goes, with what is done to it on its way:
 *
 *     match ── none ............................................ 404  noRoute
 *     CORS preflight ........................................... 204  corsPreflight
 *     redirect of the rule ..................................... 3xx  redirect
 *     share ── none, as all have weight 0 ...................... 500  noBackend
 *        │  ── an invalid one .................................. 500  invalidBackend
 *        │  ── a redirect of its own ........................... 3xx  redirect
 *     forward, with edits, mirrors, timeouts and retries
 */
export function route(table: RouteTable, head: RequestHead, draw: Draw): RouteDecision {
  const found = table.index.find(head)
  if (found === undefined) return respond(404, nobody, 'noRoute')
  const { value: rule } = found
  const early = answerOf(table, head, found, rule.actions)
  if (early !== undefined) return early
  const share = draw.share(rule)
  if (share === undefined) return respond(500, rule.name, 'noBackend')
  if (share.backend === undefined) return respond(500, rule.name, 'invalidBackend')
  const { actions, backend } = share
  return (
    answerOf(table, head, found, actions) ?? {
      action: 'forward',
      route: rule.name,
      backend,
      ...rewritten(head, actions, found.prefixLength),
      requestEdits: actions.requestEdits,
      responseEdits: responseEditsOf(actions, head),
      requestTimeoutMs: rule.source.requestTimeoutMs,
      backendTimeoutMs: rule.source.backendTimeoutMs,
      retry: rule.source.retry,
      mirrors: draw.mirrors(actions.mirrors),
    }
  )
}

/** What needs no backend. */
function answerOf(
  { port }: RouteTable,
  head: RequestHead,
  { value: rule, prefixLength }: Found<CompiledRule>,
  { cors, redirect, responseEdits }: Actions,
): RespondDecision | undefined {
  if (cors !== undefined && isPreflight(head)) {
    return respond(204, rule.name, 'corsPreflight', preflightHeaders(cors, head))
  }
  if (redirect === undefined) return undefined
  const location = { name: 'Location', value: locationOf(head, redirect, prefixLength, port) }
  const { set, add } = responseEdits
  return respond(redirect.status, rule.name, 'redirect', [location, ...set, ...add])
}

function rewritten(
  head: RequestHead,
  { rewrite }: Actions,
  prefixLength: number,
): Pick<ForwardDecision, 'target' | 'authority'> {
  if (rewrite === undefined) return unchanged
  const { path, hostname } = rewrite
  return {
    target:
      path === undefined
        ? undefined
        : targetOf(editPath(head.path, path, prefixLength), head.query),
    authority: hostname === '' ? undefined : hostname,
  }
}

const unchanged = { target: undefined, authority: undefined }

function responseEditsOf({ cors, responseEdits }: Actions, head: RequestHead): HttpHeaderEdits {
  const own = cors === undefined ? undefined : corsEdits(cors, head)
  return own === undefined ? responseEdits : composeEdits([own, responseEdits])
}

function respond(
  status: number,
  name: RouteName,
  cause: RespondDecision['cause'],
  headers: readonly HttpHeader[] = [],
): RespondDecision {
  return { action: 'respond', status, headers, route: name, cause }
}
