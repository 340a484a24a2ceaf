import assert from 'node:assert/strict'
import type { Service, Workload } from '../../../../src/model/resources.ts'
import { createNodeTables } from '../../../../src/nodeproxy/config/node-tables.ts'
import { rememberClients } from '../../../../src/nodeproxy/balance/affinity.ts'
import type { BalanceState } from '../../../../src/nodeproxy/balance/balancer.ts'
import { trackHealth } from '../../../../src/nodeproxy/balance/health.ts'
import { createAsker } from '../../../../src/nodeproxy/l4/asker.ts'
import type { Connection } from '../../../../src/nodeproxy/l4/connection.ts'
import type { Accepted, Ended } from '../../../../src/nodeproxy/l4/events.ts'
import { createFlow, type Flow } from '../../../../src/nodeproxy/l4/flow.ts'
import type { FlowContext, FlowSettings } from '../../../../src/nodeproxy/l4/flow-context.ts'
import type { Leg } from '../../../../src/nodeproxy/l4/leg.ts'
import type { PodView } from '../../../../src/nodeproxy/l4/pod.ts'
import {
  createRouteTables,
  type RouteTables,
} from '../../../../src/nodeproxy/route/route-tables.ts'
import { createSlotPool, type SlotPool } from '../../../../src/nodeproxy/l4/slots.ts'
import { createTables, type MutableTables } from '../../../../src/nodeproxy/l4/tables.ts'
import type { ServiceView } from '../../../../src/nodeproxy/l4/service-view.ts'
import type { Authorize } from '../../../../src/nodeproxy/policy/authorize.ts'
import { type ClientPlace, serviceView } from '../../../../src/nodeproxy/upstream/service-view.ts'
import { seededRandom } from '../balance/support.ts'
import { type ManualTime, manualTime } from '../manual-time.ts'

export const network = 'net'

export function workload(name: string, ip: string, node = 'node1'): Workload {
  return {
    type: 'workload',
    uid: `c/pod/ns/${name}`,
    cluster: 'c',
    namespace: 'ns',
    name,
    addresses: [{ network, ip }],
    node,
    hostNetwork: false,
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    locality: { region: '', zone: 'zone1', subzone: '' },
    tunnel: 'none',
    enrolled: true,
    ready: true,
    owner: `${name}-deployment`,
    ownerKind: 'Deployment',
    canonicalName: name,
    canonicalRevision: 'v1',
    app: name,
    version: 'v1',
  }
}

/** Service port 80, target port 8080 on every endpoint. */
export function service(name: string, ip: string, endpoints: readonly Workload[]): Service {
  return {
    type: 'service',
    key: `ns/${name}.ns.svc.cluster.local`,
    namespace: 'ns',
    name,
    hostname: `${name}.ns.svc.cluster.local`,
    addresses: [{ network, ip }],
    ports: [{ name: '', port: 80, appProtocol: 'tcp' }],
    endpoints: endpoints.flatMap(({ uid, addresses, node }) =>
      addresses.map((address) => ({
        workload: uid,
        address,
        ports: { 80: 8080 },
        node,
        zone: '',
        ready: true,
        serving: true,
        terminating: false,
        zoneHints: [],
        nodeHints: [],
      })),
    ),
    clientIpAffinitySeconds: 0,
    internalTrafficPolicy: 'cluster',
    externalTrafficPolicy: 'cluster',
    publishNotReadyAddresses: false,
    trafficDistribution: '',
  }
}

/** As the node's main thread would send it. */
export function viewOf(
  shop: Service,
  place: ClientPlace,
  workloads: readonly Workload[] = [],
): ServiceView {
  const tables = createNodeTables()
  tables.apply({ upserts: [...workloads, shop], removals: [] })
  return serviceView(tables.serviceTable(shop.key) ?? assert.fail(), place)
}

export function pod(podId: number, ipv4: string, changes: Partial<PodView> = {}): PodView {
  return {
    podId,
    uid: `uid-${podId}`,
    namespace: 'ns',
    name: `pod-${podId}`,
    workload: `c/pod/ns/pod-${podId}`,
    ipv4,
    ipv6: undefined,
    acceleration: 'auto',
    failureMode: 'open',
    ...changes,
  }
}

export interface SentConnect {
  readonly conn: number
  readonly attempt: number
  readonly leg: Leg
  readonly timeoutMs: number
}

export interface Bench {
  readonly flow: Flow
  readonly context: FlowContext
  readonly tables: MutableTables
  readonly routes: RouteTables
  readonly balance: BalanceState
  readonly time: ManualTime
  readonly slots: SlotPool
  readonly connects: SentConnect[]
  readonly resets: number[]
  readonly pairs: number[]
  readonly asked: string[]
  /** Connections whose requests are decided one by one. */
  readonly http: number[]
  readonly opened: Connection[]
  readonly ended: Connection[]
  answer(ip: string): void
  accept(event: Partial<Accepted> & Pick<Accepted, 'asked'>): void
  end(conn: number, changes?: Partial<Ended>): void
}

const settings: FlowSettings = {
  outside: 'allow',
  connectTimeoutMs: 5_000,
  onlyConnectTimeoutMs: 30_000,
  maxAttempts: 3,
}

/** A flow whose commands and questions are written down, and whose time the test owns. */
export function bench(
  pods: readonly PodView[],
  options: { settings?: Partial<FlowSettings>; authorize?: Authorize; now?: () => number } = {},
): Bench {
  const balance = {
    inFlight: new Map<string, number>(),
    health: trackHealth(),
    affinity: rememberClients(),
    random: seededRandom(3),
  }
  const routes = createRouteTables({ nowMs: () => 0, later: (run) => run() })
  const tables = createTables(balance, 'node1', routes)
  const time = manualTime()
  const slots = createSlotPool(100, 8)
  const record = {
    connects: [] as SentConnect[],
    resets: [] as number[],
    pairs: [] as number[],
    asked: [] as string[],
    http: [] as number[],
    opened: [] as Connection[],
    ended: [] as Connection[],
  }
  const asker = createAsker({
    send: (ip) => record.asked.push(ip),
    scheduler: time,
    timeoutMs: 500,
    maxOpen: 4,
  })
  const context: FlowContext = {
    podById: (podId) => pods.find((one) => one.podId === podId),
    podByAddress: (ip) => pods.find((one) => one.ipv4 === ip || one.ipv6 === ip),
    tables,
    balance,
    asker,
    authorize: options.authorize ?? (() => undefined),
    commands: {
      connect: (conn, attempt, leg, timeoutMs) =>
        record.connects.push({ conn, attempt, leg, timeoutMs }),
      reset: (conn) => record.resets.push(conn),
      pair: (conn) => record.pairs.push(conn),
    },
    settings: () => ({ ...settings, ...options.settings }),
    slots,
    observer: {
      opened: (connection) => record.opened.push(connection),
      paired: () => {},
      ended: (connection) => record.ended.push(connection),
      httpEnded: (connection) => record.ended.push(connection),
    },
    beginHttp: (connection) => record.http.push(connection.id),
    nowMs: options.now ?? (() => 0),
    open: new Map(),
  }
  const flow = createFlow(context)
  return {
    flow,
    context,
    tables,
    routes,
    balance,
    time,
    slots,
    ...record,
    answer: (ip) => asker.settled(ip, 'answered'),
    accept: (event) =>
      flow.accepted({
        conn: 1,
        podId: 1,
        direction: 'outbound',
        originFound: true,
        originFlags: 0,
        clientCookie: 11,
        legCookie: 12,
        peer: { address: pods[0]?.ipv4 ?? '', port: 40_000 },
        ...event,
      }),
    end: (conn, changes) => flow.ended({ ...endedEvent(conn), ...changes }),
  }
}

function endedEvent(conn: number): Ended {
  return {
    conn,
    reason: 0,
    errno: 0,
    receivedBytes: 10,
    sentBytes: 20,
    pairedBytes: 0,
    durationUs: 1_000,
    firstByteUs: 500,
  }
}
