import { constants } from 'node:os'
import type { RequestHeadReader } from '../codecs/request-head.ts'
import type {
  AttemptFailedEvent,
  HttpEventHandlers,
  RequestEvent,
  StreamDoneEvent,
} from '../io/http-events.ts'
import type { HttpCommandWriter } from '../io/http-commands.ts'
import { AttemptReason } from '../io/protocol.ts'
import type { Target } from '../balance/target.ts'
import type { Connection } from '../l4/connection.ts'
import { isLocalErrno } from '../l4/errno.ts'
import type { FlowContext } from '../l4/flow-context.ts'
import { familyOf } from '../l4/pod.ts'
import { type Refusal, refuse } from '../policy/refusal.ts'
import type { EndpointNumbers } from './endpoints.ts'
import type { Exchange, ExchangeObserver } from './exchange.ts'
import { answerRefusal, refusalOfAttempt } from './refuse.ts'
import { applyRoutes, attemptTimeoutMs, type RoutingContext } from './routing.ts'

/** From a head's first byte to its last. */
const headTimeoutMs = 15_000
/** A client's connection without a request; Envoy's default. */
const clientIdleMs = 3_600_000
const mostHeadBytes = 60 * 1024

/** What the steps of a request work with. */
export interface HttpContext extends RoutingContext {
  readonly flow: Pick<
    FlowContext,
    'open' | 'tables' | 'balance' | 'authorize' | 'settings' | 'nowMs' | 'podByAddress'
  >
  readonly commands: HttpCommandWriter
  readonly heads: RequestHeadReader
  readonly endpoints: EndpointNumbers
  readonly observer: ExchangeObserver
  readonly exchanges: Map<number, Exchange>
}

/**
 * The way of a request, from the reactor's events: head -> authorise -> pick -> forward -> (the
 * engine) -> done. Each step gives a value or a Refusal; `answerRefusal` alone writes refusals.
 */
export interface HttpFlow extends HttpEventHandlers {
  /** This connection's requests are decided one by one from here on. */
  begin(connection: Connection): void
}

export function createHttpFlow(context: HttpContext): HttpFlow {
  const { exchanges, commands, observer } = context
  return {
    begin: ({ id }) => commands.http(id, { headTimeoutMs, idleMs: clientIdleMs, mostHeadBytes }),
    onRequest: (event) => requested(context, event),
    onAttemptFailed: (event) => attemptFailed(context, event),
    // Nobody asks for statuses yet.
    onResponseHead: ({ stream }) => commands.resume(stream),
    onStreamDone: (event) => done(context, event),
    onRejected({ conn, error, status }) {
      const connection = context.flow.open.get(conn)
      if (connection !== undefined) observer.rejected(connection, error, status)
    },
  }
  function done(_: HttpContext, event: StreamDoneEvent): void {
    const exchange = exchanges.get(event.stream)
    if (exchange === undefined) return
    exchanges.delete(event.stream)
    const { endpoint } = exchange
    if (endpoint !== undefined && event.firstByteUs >= 0) {
      context.flow.balance.health.succeeded(endpoint.key)
    }
    release(context, exchange)
    observer.ended(exchange, event)
  }
}

function requested(context: HttpContext, event: RequestEvent): void {
  const connection = context.flow.open.get(event.conn)
  if (connection === undefined) {
    context.commands.resetStream(event.stream)
    return
  }
  const head = context.heads.view(event)
  const exchange: Exchange = {
    stream: event.stream,
    connection,
    method: head.method,
    target: head.query === undefined ? head.path : `${head.path}?${head.query}`,
    authority: head.authority,
    beganMs: context.flow.nowMs(),
    route: undefined,
    decision: undefined,
    edits: undefined,
    attempts: 0,
    tried: { keys: [], silentNodes: [] },
    endpoint: undefined,
    lastEndpoint: undefined,
    destination: undefined,
    localPod: undefined,
    refusal: undefined,
  }
  context.exchanges.set(event.stream, exchange)
  if (applyRoutes(context, exchange, head)) forward(context, exchange, undefined)
}

/** To an endpoint of the service as it is now. @param last why the attempt before failed */
function forward(context: HttpContext, exchange: Exchange, last: Refusal | undefined): void {
  const target = pick(context, exchange)
  if ('kind' in target) {
    answerRefusal(context.commands, exchange, last ?? target)
    return
  }
  const { connection } = exchange
  const { flow } = context
  const destination = target.facts ?? flow.tables.workload(target.workload)
  const denied = flow.authorize({
    direction: connection.direction,
    source: connection.source,
    destination,
    destinationAddress: target.address,
    destinationPort: target.port,
    peerIdentity: undefined,
  })
  if (denied !== undefined) {
    answerRefusal(context.commands, exchange, denied)
    return
  }
  const nowMs = flow.nowMs()
  const timeoutMs = attemptTimeoutMs(exchange, nowMs)
  if (timeoutMs === undefined) {
    answerRefusal(context.commands, exchange, refuse('upstreamTimeout', target.key))
    return
  }
  const { inFlight } = flow.balance
  inFlight.set(target.key, (inFlight.get(target.key) ?? 0) + 1)
  exchange.endpoint = target
  exchange.lastEndpoint = target
  exchange.destination = destination
  exchange.localPod = flow.podByAddress(target.address)
  exchange.attempts += 1
  const { pod } = connection
  const number = context.endpoints.numberOf(pod, target, exchange.localPod, nowMs)
  const { stream, attempts: attempt, edits } = exchange
  const changes = edits === undefined ? {} : { edits }
  context.commands.forward(stream, number, { attempt, timeoutMs, ...changes })
}

function pick({ flow }: HttpContext, exchange: Exchange): Target | Refusal {
  const { connection, tried, decision } = exchange
  const { service, asked, peer } = connection
  const { service: key, port } = decision?.backend ?? {
    service: service?.key ?? '',
    port: asked.port,
  }
  const external = connection.external && decision === undefined
  const subject = `service ${key} port ${port}`
  const family = familyOf(asked.address)
  const found = flow.tables.service(key)
  // A route may lead from a service of one family to one of the other.
  const entry =
    found?.port(port, family, external) ??
    (decision === undefined ? undefined : found?.port(port, family === 4 ? 6 : 4, false))
  if (entry === undefined) return refuse('noSuchPort', subject)
  if (entry.view.refusal !== undefined) return entry.view.refusal
  const target = entry.balancer.pick(peer.address, tried, flow.nowMs())
  return target ?? refuse('noEndpoints', subject)
}

/** Only what cannot have been acted upon is tried again: the endpoint was never reached. */
function attemptFailed(context: HttpContext, event: AttemptFailedEvent): void {
  const exchange = context.exchanges.get(event.stream)
  if (exchange === undefined) return
  const { endpoint, connection, attempts } = exchange
  learnFromAttempt(context, exchange, event)
  release(context, exchange)
  const subject = endpoint?.key ?? connection.asked.address
  const refusal = refusalOfAttempt(event.reason, event.error, subject)
  const unreached = event.reason === AttemptReason.connectFailed
  const { settings } = context.flow
  if (unreached && event.replayable && attempts < settings().maxAttempts) {
    forward(context, exchange, refusal)
    return
  }
  answerRefusal(context.commands, exchange, refusal)
}

/** What the choice of endpoints for this request, and for later ones, has to know. */
function learnFromAttempt(
  { flow }: HttpContext,
  { endpoint, localPod, tried }: Exchange,
  { reason, error }: AttemptFailedEvent,
): void {
  if (endpoint === undefined) return
  const { health } = flow.balance
  if (reason === AttemptReason.connectFailed) {
    tried.keys.push(endpoint.key)
    if (error === constants.errno.ETIMEDOUT && endpoint.node) tried.silentNodes.push(endpoint.node)
    if (!isLocalErrno(error)) health.failed(endpoint.key, flow.nowMs())
  }
  // The proxy of another node accepts before it knows whether the app does, and then resets.
  const elsewhere = reason === AttemptReason.reset && localPod === undefined
  if (elsewhere) health.failed(endpoint.key, flow.nowMs())
}

/** Its endpoint has one request less. */
function release({ flow }: HttpContext, exchange: Exchange): void {
  const { endpoint } = exchange
  if (endpoint === undefined) return
  exchange.endpoint = undefined
  const { inFlight } = flow.balance
  const left = (inFlight.get(endpoint.key) ?? 1) - 1
  if (left === 0) inFlight.delete(endpoint.key)
  else inFlight.set(endpoint.key, left)
}
