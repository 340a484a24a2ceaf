import type { Target } from '../balance/target.ts'
import { type Refusal, refuse } from '../policy/refusal.ts'
import type { Connection } from './connection.ts'
import type { FlowContext } from './flow-context.ts'
import { inboundLeg, type Leg, outboundLeg } from './leg.ts'
import { type Route, routeOutbound, routeUnanswered } from './route.ts'

/**
 * The one place that acts on a refusal. The client gets a reset; telemetry tells why when it has
 * ended.
 */
export function end(context: FlowContext, connection: Connection, refusal: Refusal): void {
  connection.refusal = refusal
  context.commands.reset(connection.id)
}

export function decide(context: FlowContext, connection: Connection, route: Route): void {
  switch (route.kind) {
    case 'ask':
      askThenDecide(context, connection)
      return
    case 'refused':
      connection.service = route.service
      end(context, connection, route.refusal)
      return
    case 'outside':
      connection.outside = true
      send(
        context,
        connection,
        outboundLeg(connection.pod, connection.peer, connection.asked, undefined),
      )
      return
    case 'workload':
      connection.destination = route.workload
      connect(context, connection, route.target)
      return
    case 'service':
      connection.service = route.service
      connection.balancer = route.balancer
      connection.external = route.external
      if (route.carriedAs === 'http1') {
        connection.http = true
        context.beginHttp(connection)
        return
      }
      pickAndConnect(context, connection, '')
  }
}

function askThenDecide(context: FlowContext, connection: Connection): void {
  const { pod, asked } = connection
  context.asker.ask(asked.address, pod.uid, (outcome) => {
    if (context.open.get(connection.id) !== connection) return
    const settings = context.settings()
    const unanswered = (): Route => routeUnanswered(pod, asked.address, asked.port, settings)
    const route =
      outcome === 'answered'
        ? routeOutbound(pod, asked.address, asked.port, context.tables, settings)
        : unanswered()
    // An answer that was taken back at once counts as none: asking again could go on for ever.
    decide(context, connection, route.kind === 'ask' ? unanswered() : route)
  })
}

/** @param lastCause why the attempt before failed; empty on the first */
export function pickAndConnect(
  context: FlowContext,
  connection: Connection,
  lastCause: string,
): void {
  const { balancer, service, asked, peer, tried } = connection
  const target = balancer?.pick(peer.address, tried, context.nowMs())
  if (target !== undefined) {
    connection.destination = target.facts ?? context.tables.workload(target.workload)
    connect(context, connection, target)
    return
  }
  const subject = `service ${service?.key ?? ''} port ${asked.port}`
  const { keys } = tried
  const refusal =
    keys.length === 0
      ? refuse('noEndpoints', subject)
      : refuse('attemptsExhausted', `${subject}: tried ${keys.join(', ')}; last: ${lastCause}`)
  end(context, connection, refusal)
}

/** Authorises, and opens the leg. Decided here, before any byte reaches the app. */
export function connect(context: FlowContext, connection: Connection, target: Target): void {
  const { direction, pod, peer, source, destination } = connection
  const refusal = context.authorize({
    direction,
    source,
    destination,
    destinationAddress: target.address,
    destinationPort: target.port,
    peerIdentity: undefined,
  })
  if (refusal !== undefined) {
    end(context, connection, refusal)
    return
  }
  const { inFlight, random } = context.balance
  connection.target = target
  connection.endpoint = target
  inFlight.set(target.key, (inFlight.get(target.key) ?? 0) + 1)
  if (direction === 'inbound') {
    send(context, connection, inboundLeg(pod, peer, target, random))
    return
  }
  connection.localPod = context.podByAddress(target.address)
  send(context, connection, outboundLeg(pod, peer, target, connection.localPod))
}

function send(context: FlowContext, connection: Connection, leg: Leg): void {
  const { connectTimeoutMs, onlyConnectTimeoutMs, maxAttempts } = context.settings()
  const { balancer, tried } = connection
  connection.attempts += 1
  const several = connection.attempts < maxAttempts && (balancer?.size ?? 0) > tried.keys.length + 1
  context.commands.connect(
    connection.id,
    connection.attempts,
    leg,
    several ? connectTimeoutMs : onlyConnectTimeoutMs,
  )
}

/** Its target has one open connection less. */
export function release(context: FlowContext, connection: Connection): void {
  const { target } = connection
  if (target === undefined) return
  const { inFlight } = context.balance
  connection.target = undefined
  const left = (inFlight.get(target.key) ?? 1) - 1
  if (left === 0) inFlight.delete(target.key)
  else inFlight.set(target.key, left)
}
