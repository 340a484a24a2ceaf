import { type Affinity, rememberClients } from '../balance/affinity.ts'
import type { BalanceState } from '../balance/balancer.ts'
import { trackHealth } from '../balance/health.ts'
import { createRequestHeadReader } from '../codecs/request-head.ts'
import { createEditCache } from '../http/edit-cache.ts'
import { createEndpointNumbers, type EndpointNumbers } from '../http/endpoints.ts'
import type { Exchange } from '../http/exchange.ts'
import { createHttpFlow, type HttpFlow } from '../http/flow.ts'
import type { EventHandlers } from '../io/events.ts'
import type { HttpEventHandlers } from '../io/http-events.ts'
import { CloseHow, ListenerReason } from '../io/protocol.ts'
import { type OpenReactor, openReactor } from '../io/reactor.ts'
import { acceptedOf, endedOf, l4Commands } from '../l4/adapter.ts'
import { createAsker } from '../l4/asker.ts'
import type { Accepted } from '../l4/events.ts'
import { createFlow, type Flow } from '../l4/flow.ts'
import type { FlowContext } from '../l4/flow-context.ts'
import { createServedPods, type ServedPods } from '../l4/served-pods.ts'
import { createSlotPool } from '../l4/slots.ts'
import { createTables, type MutableTables } from '../l4/tables.ts'
import type { Native } from '../native.ts'
import { allowAll } from '../policy/authorize.ts'
import { createAccessLog } from '../telemetry/access-log.ts'
import { type Accumulator, createAccumulator } from '../telemetry/accumulator.ts'
import { type ConnectionTelemetry, observeConnections } from '../telemetry/connections.ts'
import { createRequestAccumulator, type RequestAccumulator } from '../telemetry/request-series.ts'
import {
  observeRequests,
  type RequestLogOptions,
  type RequestTelemetry,
} from '../telemetry/requests.ts'
import { createDraw } from '../route/draw.ts'
import { createRouteTables, type RouteTables } from '../route/route-tables.ts'
import { monotonicMs } from '../time/clock.ts'
import { realTime } from '../time/scheduler.ts'
import { type AddressGate, createAddressGate } from './address-gate.ts'
import { sharedAffinity } from './shared-affinity.ts'
import type { FromWorker, WorkerOptions, WorkerSettings } from './worker-messages.ts'
import { trackPairs, type WorkerPairs } from './worker-pairs.ts'

/** Everything that one worker thread owns. Nothing of it is shared with another thread. */
export interface WorkerRuntime {
  readonly options: WorkerOptions
  readonly post: (message: FromWorker) => void
  settings: WorkerSettings
  /** When the bytes of open connections were read last. */
  progressAtMs: number
  readonly reactor: OpenReactor
  readonly pods: ServedPods
  /** Without telling the other workers. */
  readonly ownAffinity: Affinity
  readonly context: FlowContext & { readonly tables: MutableTables }
  readonly flow: Flow
  readonly accumulator: Accumulator
  readonly telemetry: ConnectionTelemetry
  readonly requests: RequestAccumulator
  readonly requestTelemetry: RequestTelemetry
  readonly routes: RouteTables
  readonly addressGate: AddressGate
  /** The engine's endpoints. */
  readonly endpoints: EndpointNumbers
  /** Requests under way, by stream. */
  readonly exchanges: ReadonlyMap<number, Exchange>
  readonly pairs: WorkerPairs
  /** What came of the reactor's events so far. */
  readonly seen: { accepted: number }
  readonly accessLines: string[]
  readonly usedAddresses: Set<string>
}

/** What events need and is made after those who hear them. */
interface LateParts {
  flow?: Flow
  http?: HttpFlow
  pods?: ServedPods
  reactor?: OpenReactor
}

/** Opens the worker's reactor in this thread and connects it with the flow. */
export function createWorkerRuntime(
  options: WorkerOptions,
  native: Native,
  post: (message: FromWorker) => void,
): WorkerRuntime {
  const state = { settings: options.settings, progressAtMs: 0 }
  const accessLines: string[] = []
  const usedAddresses = new Set<string>()
  const ownAffinity = rememberClients()
  const balance = createBalance(ownAffinity, post)
  const routes = createRouteTables({ nowMs: monotonicMs, later: (run) => void setImmediate(run) })
  const accumulator = createAccumulator()
  const log = {
    write: (line: string) => accessLines.push(line),
    sample: () => state.settings.accessSample,
    random: Math.random,
    node: options.node,
  }
  const accessLog = createAccessLog(log)
  const parts: LateParts = {}
  const pairs = trackPairs({
    native,
    sockInfoMapFd: options.fds.sockInfoMapFd,
    pairedFds: (conn) => parts.reactor?.pairedFds(conn),
    nowMs: monotonicMs,
  })
  const telemetry = observeConnections(accumulator, accessLog, pairs)
  const seen = { accepted: 0 }
  const handlers = reactorHandlers(parts, seen, usedAddresses, post)
  const reactor = openReactor(native, reactorOptions(options), handlers)
  const pods = createServedPods(reactor.commands, options.limits, realTime)
  const context: WorkerRuntime['context'] = {
    podById: (podId) => pods.byId(podId),
    podByAddress: (ip) => pods.byAddress(ip),
    tables: createTables(balance, options.node, routes),
    balance,
    asker: createAsker({
      send: (ip, podUid) => post({ kind: 'ask', ip, podUid }),
      scheduler: realTime,
      timeoutMs: options.settings.resolveTimeoutMs,
      maxOpen: options.settings.maxOpenQuestions,
    }),
    authorize: allowAll,
    commands: l4Commands(reactor.commands),
    settings: () => state.settings,
    slots: createSlotPool(options.slots.first, options.slots.count, options.slots.inUse),
    observer: telemetry,
    beginHttp: (connection) => parts.http?.begin(connection),
    nowMs: monotonicMs,
    open: new Map(),
  }
  const { http, ...ofRequests } = createRequests(reactor, context, log)
  const flow = createFlow(context)
  Object.assign(parts, { flow, http, pods, reactor })
  const addressGate = createAddressGate(context.tables, routes, context.asker)
  const ofRoutes = { routes, addressGate, ...ofRequests }
  const fixed = { options, post, reactor, pods, ownAffinity, context, flow, telemetry, pairs }
  const counts = { accumulator, seen, accessLines, usedAddresses }
  return Object.assign(state, fixed, ofRoutes, counts)
}

/** What decides requests and counts them. */
function createRequests(
  reactor: OpenReactor,
  flow: FlowContext,
  log: RequestLogOptions,
): Pick<WorkerRuntime, 'requests' | 'requestTelemetry' | 'endpoints' | 'exchanges'> & {
  http: HttpFlow
} {
  const requests = createRequestAccumulator()
  const requestTelemetry = observeRequests(requests, log)
  const connectTimeoutMs = (): number => flow.settings().connectTimeoutMs
  const endpoints = createEndpointNumbers(reactor.http, connectTimeoutMs)
  const exchanges = new Map<number, Exchange>()
  const http = createHttpFlow({
    flow,
    commands: reactor.http,
    heads: createRequestHeadReader(reactor.slab),
    endpoints,
    observer: requestTelemetry,
    draw: createDraw(Math.random),
    encode: createEditCache(),
    exchanges,
  })
  return { requests, requestTelemetry, endpoints, exchanges, http }
}

function createBalance(own: Affinity, post: (message: FromWorker) => void): BalanceState {
  return {
    inFlight: new Map(),
    health: trackHealth(),
    affinity: sharedAffinity(own, monotonicMs, (entry) => post({ kind: 'affinity', entry })),
    random: Math.random,
  }
}

/** Events come only after commands, and those only when all parts are there. */
function reactorHandlers(
  parts: LateParts,
  seen: WorkerRuntime['seen'],
  usedAddresses: Set<string>,
  post: (message: FromWorker) => void,
): EventHandlers {
  /** What goes wrong with one connection costs that connection, and is told. */
  const guarded = (conn: number, handle: (flow: Flow) => void): void => {
    if (parts.flow === undefined) return
    try {
      handle(parts.flow)
    } catch (error) {
      parts.reactor?.commands.close(conn, CloseHow.reset)
      const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
      post({ kind: 'fault', message, stack })
    }
  }
  return {
    onAccept(event) {
      seen.accepted += 1
      guarded(event.conn, (flow) => {
        const accepted = acceptedOf(event)
        noteUse(usedAddresses, accepted)
        flow.accepted(accepted)
      })
    },
    onConnected: (event) =>
      guarded(event.conn, (flow) => flow.connected(event.conn, event.legCookie)),
    onConnectFailed: (event) =>
      guarded(event.conn, (flow) => flow.connectFailed(event.conn, event.errno)),
    onDone: (event) => guarded(event.conn, (flow) => flow.ended(endedOf(event))),
    onTimer() {
      // The flow waits rarely, by Node's timers.
    },
    onListener({ listener, reason, refused, errno }) {
      const failed = reason === ListenerReason.failed
      if (failed && parts.pods?.listenerFailed(listener, errno) === false) return
      post({ kind: 'listener', podId: listener >> 2, reason, refused, errno })
    },
    ...httpHandlers(parts, post),
    onPaired: (event) => guarded(event.conn, (flow) => flow.paired(event.conn, event.errno)),
    onOpaque: (conn) => guarded(conn, (flow) => flow.opaque(conn)),
    onNetnsFailed({ netns, family, errno }) {
      if (parts.pods?.netnsFailed(netns, errno) === false) return
      post({ kind: 'netnsFailed', podId: netns, family, errno })
    },
  }
}

/** What goes wrong with one request costs that request's connection, and is told. */
function httpHandlers(parts: LateParts, post: (message: FromWorker) => void): HttpEventHandlers {
  const guarded = (stream: number, handle: (http: HttpFlow) => void): void => {
    if (parts.http === undefined) return
    try {
      handle(parts.http)
    } catch (error) {
      if (stream !== 0) parts.reactor?.http.resetStream(stream)
      const { message, stack = '' } = error instanceof Error ? error : new Error(String(error))
      post({ kind: 'fault', message, stack })
    }
  }
  return {
    onRequest: (event) => guarded(event.stream, (http) => http.onRequest(event)),
    onResponseHead: (event) => guarded(event.stream, (http) => http.onResponseHead(event)),
    onAttemptFailed: (event) => guarded(event.stream, (http) => http.onAttemptFailed(event)),
    onStreamDone: (event) => guarded(event.stream, (http) => http.onStreamDone(event)),
    onRejected: (event) => guarded(0, (http) => http.onRejected(event)),
  }
}

function reactorOptions({ fds, generation, maxConnections, pairLimitBytes }: WorkerOptions) {
  const { generationsMapFd: _, ...maps } = fds
  return { ...maps, generation, maxConnections, pairLimitBytes }
}

/** Bounded between two reports, which empty it. */
const maxUsedAddresses = 10_000

function noteUse(used: Set<string>, { direction, asked, peer }: Accepted): void {
  if (used.size < maxUsedAddresses)
    used.add(direction === 'outbound' ? asked.address : peer.address)
}
