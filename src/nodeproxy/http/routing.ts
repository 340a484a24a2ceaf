import type { RequestHead } from '../codecs/request-head.ts'
import { encodeHeaderLines } from '../codecs/edits.ts'
import { refuse } from '../policy/refusal.ts'
import type { RespondDecision } from '../route/decision.ts'
import type { Draw } from '../route/draw.ts'
import { route } from '../route/route.ts'
import type { HttpCommandWriter } from '../io/http-commands.ts'
import type { FlowContext } from '../l4/flow-context.ts'
import type { EncodeDecision } from './edit-cache.ts'
import type { Exchange } from './exchange.ts'
import { answerRefusal } from './refuse.ts'

/** What a request's routes are looked up and applied with. */
export interface RoutingContext {
  readonly flow: Pick<FlowContext, 'tables'>
  readonly commands: Pick<HttpCommandWriter, 'respond'>
  readonly draw: Draw
  readonly encode: EncodeDecision
}

/**
 * Applies the routes of the service that was asked for, where it has some. A request keeps the
 * objects of its decision: later tables are for later requests.
 *
 * @returns whether it is to be forwarded; else it is answered
 */
export function applyRoutes(
  context: RoutingContext,
  exchange: Exchange,
  head: RequestHead,
): boolean {
  const { service, asked, pod } = exchange.connection
  const { tables } = context.flow
  const table = tables.routes(service?.key ?? '', asked.port, pod.namespace)
  if (table === undefined) return true
  const decision = route(table, head, context.draw)
  exchange.route = decision.route
  if (decision.action === 'respond') {
    answer(context, exchange, decision)
    return false
  }
  exchange.decision = decision
  exchange.edits = context.encode(decision)
  return true
}

function answer(
  { commands }: RoutingContext,
  exchange: Exchange,
  { cause, status, headers, route: { route: name, rule } }: RespondDecision,
): void {
  switch (cause) {
    case 'noRoute':
      answerRefusal(commands, exchange, refuse('noRoute', exchange.target))
      return
    case 'noBackend':
    case 'invalidBackend':
      answerRefusal(commands, exchange, refuse('invalidBackend', `${name} rule ${rule}`))
      return
    default: {
      const date = `date: ${new Date().toUTCString()}\r\n`
      commands.respond(exchange.stream, status, date + encodeHeaderLines(headers), '', false)
    }
  }
}

/**
 * How long the next attempt may take.
 *
 * @returns 0: as long as it wants; undefined: the request's time is over
 */
export function attemptTimeoutMs(exchange: Exchange, nowMs: number): number | undefined {
  const { decision, beganMs } = exchange
  if (decision === undefined) return 0
  const { requestTimeoutMs, backendTimeoutMs } = decision
  if (requestTimeoutMs === 0) return backendTimeoutMs
  const leftMs = Math.ceil(beganMs + requestTimeoutMs - nowMs)
  if (leftMs <= 0) return undefined
  return backendTimeoutMs === 0 ? leftMs : Math.min(leftMs, backendTimeoutMs)
}
