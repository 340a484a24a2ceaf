import { constants } from 'node:os'
import { DoneReason } from '../io/protocol.ts'
import { refuse } from '../policy/refusal.ts'
import type { Connection } from './connection.ts'
import { connect, decide, end, pickAndConnect, release } from './decide.ts'
import { describeErrno, isLocalErrno } from './errno.ts'
import type { Accepted, Ended } from './events.ts'
import type { FlowContext } from './flow-context.ts'
import { mayPair } from './pairing.ts'
import { isAddressOf, type PodView } from './pod.ts'
import { routeOutbound } from './route.ts'

/**
 * The way of a TCP connection, from the reactor's events: accepted -> route -> authorise -> pick ->
 * leg -> forwarding (in the reactor) -> ended. Each step gives a value or a Refusal; `end` alone
 * acts on refusals.
 */
export interface Flow {
  accepted(event: Accepted): void
  connected(conn: number, legCookie: number): void
  connectFailed(conn: number, errno: number): void
  /** The kernel's pairing began (errno 0) or could not. */
  paired(conn: number, errno: number): void
  ended(event: Ended): void
  /** What was taken for HTTP is carried as bytes. */
  opaque(conn: number): void
  /** Resets every connection that has this pod at its listener's end. */
  resetPod(podId: number): void
  /** Resets all that are open. */
  resetAll(why: string): void
  /** Connections of this pod that have no leg yet: its namespace is still needed. */
  undecided(podId: number): number
}

export function createFlow(context: FlowContext): Flow {
  const { open } = context
  return {
    accepted: (event) => accepted(context, event),
    connected: (conn, legCookie) =>
      withOpen(open, conn, (connection) => connected(context, connection, legCookie)),
    connectFailed: (conn, errno) =>
      withOpen(open, conn, (connection) => connectFailed(context, connection, errno)),
    paired: (conn, errno) =>
      withOpen(open, conn, (connection) => paired(context, connection, errno)),
    ended: (event) => withOpen(open, event.conn, (connection) => ended(context, connection, event)),
    opaque: (conn) =>
      withOpen(open, conn, (connection) => {
        connection.http = false
        pickAndConnect(context, connection, '')
      }),
    resetPod(podId) {
      for (const connection of open.values()) {
        const { pod } = connection
        if (pod.podId !== podId) continue
        end(context, connection, refuse('podGone', `pod ${pod.namespace}/${pod.name}`))
      }
    },
    resetAll(why) {
      for (const connection of open.values()) end(context, connection, refuse('stopping', why))
    },
    undecided(podId) {
      let count = 0
      for (const { pod, connected: hasLeg } of open.values()) {
        if (pod.podId === podId && !hasLeg) count += 1
      }
      return count
    },
  }
}

/** Events of a connection that is gone meanwhile mean nothing any more. */
function withOpen(
  open: ReadonlyMap<number, Connection>,
  conn: number,
  handle: (connection: Connection) => void,
): void {
  const connection = open.get(conn)
  if (connection !== undefined) handle(connection)
}

function accepted(context: FlowContext, event: Accepted): void {
  const { open, commands, tables } = context
  const pod = context.podById(event.podId)
  if (pod === undefined) {
    commands.reset(event.conn)
    return
  }
  const connection = newConnection(event, pod)
  open.set(event.conn, connection)
  if (event.direction === 'inbound') {
    acceptInbound(context, connection)
    return
  }
  connection.source = tables.workload(pod.workload)
  if (!event.originFound) {
    // The reactor resets it by itself.
    connection.refusal = refuse('unpublished', `from ${event.peer.address}`)
    return
  }
  const { address, port } = event.asked
  decide(context, connection, routeOutbound(pod, address, port, tables, context.settings()))
}

function acceptInbound(context: FlowContext, connection: Connection): void {
  const { asked, pod } = connection
  // The pod's own processes can find the listener on loopback. Its leg would come here again.
  if (!isAddressOf(pod, asked.address)) {
    end(context, connection, refuse('notForPod', `${asked.address} port ${asked.port}`))
    return
  }
  connection.destination = context.tables.workload(pod.workload)
  connection.service = context.tables.serviceBehind(
    asked.address,
    asked.port,
    connection.destination,
  )
  learnSource(context, connection)
  const key = `${asked.address}/${asked.port}`
  connect(context, connection, { key, ...asked, workload: pod.workload })
}

/**
 * Who is calling matters to the labels alone, so the connection does not wait for it; telemetry
 * does, also beyond the end of a short connection.
 */
function learnSource(context: FlowContext, connection: Connection): void {
  const { tables } = context
  const ip = connection.peer.address
  connection.source = tables.workloadAt(ip)
  if (tables.address(ip) !== undefined) return
  connection.sourcePending = true
  context.asker.ask(ip, connection.pod.uid, () => {
    connection.sourcePending = false
    connection.source = tables.workloadAt(ip)
    if (connection.connected || connection.ended !== undefined) tellOpened(context, connection)
    if (connection.ended !== undefined) context.observer.ended(connection, connection.ended)
  })
}

function tellOpened(context: FlowContext, connection: Connection): void {
  if (connection.openedTold) return
  connection.openedTold = true
  context.observer.opened(connection)
}

function connected(context: FlowContext, connection: Connection, legCookie: number): void {
  const { balance, slots, commands } = context
  connection.connected = true
  connection.serverLegCookie = legCookie
  if (connection.target !== undefined) balance.health.succeeded(connection.target.key)
  if (!connection.sourcePending) tellOpened(context, connection)
  if (!mayPair(connection)) return
  connection.slots = slots.take()
  if (connection.slots !== undefined) commands.pair(connection.id, connection.slots)
}

/** No byte went anywhere yet, so another endpoint may be tried. */
function connectFailed(context: FlowContext, connection: Connection, errno: number): void {
  const { target, balancer, asked, tried } = connection
  const cause = describeErrno(errno)
  release(context, connection)
  if (target === undefined || balancer === undefined) {
    const { address, port } = target ?? asked
    end(context, connection, refuse('connectFailed', `${address} port ${port}: ${cause}`))
    return
  }
  tried.keys.push(target.key)
  if (errno === constants.errno.ETIMEDOUT && target.node) tried.silentNodes.push(target.node)
  if (!isLocalErrno(errno)) context.balance.health.failed(target.key, context.nowMs())
  if (connection.attempts < context.settings().maxAttempts) {
    pickAndConnect(context, connection, cause)
    return
  }
  const detail = `tried ${tried.keys.join(', ')}; last: ${cause}`
  end(context, connection, refuse('attemptsExhausted', detail))
}

function paired(context: FlowContext, connection: Connection, errno: number): void {
  if (connection.slots === undefined) return
  if (errno === 0) {
    context.observer.paired(connection)
    return
  }
  context.slots.giveBack(connection.slots)
  connection.slots = undefined
}

function ended(context: FlowContext, connection: Connection, event: Ended): void {
  context.open.delete(event.conn)
  learnFromEnd(context, connection, event)
  release(context, connection)
  // The keeper goes on with those of what was left to it.
  if (connection.slots !== undefined && event.reason !== DoneReason.adopted) {
    context.slots.giveBack(connection.slots)
  }
  if (connection.sourcePending) {
    connection.ended = event
    return
  }
  // What it carried was told request by request.
  if (connection.http) {
    context.observer.httpEnded(connection, event)
    return
  }
  tellOpened(context, connection)
  context.observer.ended(connection, event)
}

/**
 * The proxy of another node accepts before it knows whether the app does, and then resets: to this
 * one that is a reset without an answer. It is too late to try another endpoint, but not for the
 * next connection.
 */
function learnFromEnd(context: FlowContext, connection: Connection, event: Ended): void {
  const { target, balancer, localPod } = connection
  if (event.reason !== DoneReason.serverReset || event.sentBytes > 0) return
  if (target === undefined || balancer === undefined || localPod !== undefined) return
  context.balance.health.failed(target.key, context.nowMs())
}

function newConnection(event: Accepted, pod: PodView): Connection {
  const { conn: id, direction, peer, asked, originFlags } = event
  return {
    id,
    direction,
    pod,
    peer,
    asked,
    originFlags,
    clientCookie: event.clientCookie,
    clientLegCookie: event.legCookie,
    serverLegCookie: 0,
    source: undefined,
    sourcePending: false,
    destination: undefined,
    service: undefined,
    balancer: undefined,
    target: undefined,
    endpoint: undefined,
    localPod: undefined,
    external: false,
    http: false,
    outside: false,
    attempts: 0,
    tried: { keys: [], silentNodes: [] },
    refusal: undefined,
    connected: false,
    openedTold: false,
    labelsKey: undefined,
    countedReceived: 0,
    countedSent: 0,
    slots: undefined,
    ended: undefined,
  }
}
