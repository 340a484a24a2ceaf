// The operator, whole, with the generated cluster for its API server.
import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import type { Delta } from '../../src/model/source.ts'
import { openKubeApi } from '../../src/operator/kube/api.ts'
import { type Operator, startOperator } from '../../src/operator/operator.ts'
import type { OperatorOptions } from '../../src/operator/options.ts'
import type { StreamObserver } from '../../src/operator/publish/request-stream.ts'
import { operatorNamespace } from './api-server.ts'
import { serveParent } from './child.ts'
import {
  type Ack,
  nowNs,
  type OperatorAnswer,
  type OperatorOrder,
  servingName,
} from './messages.ts'
import { firstChangedPort } from './objects.ts'
import { type ControlPlan, servicePort, usageOf } from './plan.ts'

const acks: Ack[] = []
let operator: Operator | undefined
let traffic: Traffic | undefined

const tell = serveParent(async (told): Promise<OperatorAnswer> => {
  const order = told as OperatorOrder
  if (order.kind === 'start') {
    traffic = createTraffic(order.plan)
    operator = await start(order.apiUrl, traffic.observer)
  }
  return {
    grpcPort: operator?.grpcPort ?? 0,
    bytes: traffic?.bytes ?? [],
    foreignBytes: traffic?.foreignBytes() ?? 0,
  }
})

// So that telling costs little beside what is measured.
setInterval(() => {
  if (acks.length > 0) tell(acks.splice(0))
}, 25)

async function start(apiUrl: string, observer: StreamObserver): Promise<Operator> {
  const config = new KubeConfig()
  const cluster = { name: 'bench', server: apiUrl, skipTLSVerify: true }
  config.loadFromClusterAndUser(cluster, { name: 'operator' })
  const log = pino({ level: 'error' }, pino.destination(2))
  const { signal } = new AbortController()
  const started = await startOperator(options, openKubeApi(config), log, signal, observer)
  while (started.notReady !== '') await pause(20)
  return started
}

const options: OperatorOptions = {
  namespace: operatorNamespace,
  podName: 'operator-0',
  grpcAddress: '127.0.0.1:0',
  httpAddress: { host: '127.0.0.1', port: 0 },
  servingName: [servingName],
  audience: 'sluice.dev',
  cluster: 'Kubernetes',
  network: 'default',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  logLevel: 'error',
  startUpTaint: false,
}

async function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setTimeout(resolve, ms)
  await promise
}

interface Traffic {
  readonly observer: StreamObserver
  readonly bytes: readonly number[]
  foreignBytes(): number
}

/** What goes to nodes, and which changes they acknowledge. */
function createTraffic(plan: ControlPlan): Traffic {
  const uses = usageOf(plan).ofNode.map((services) => new Set(services))
  const bytes = Array.from({ length: plan.nodes + 1 }, () => 0)
  const onTheirWay = new Map<number, Map<string, Changes>>()
  let foreign = 0

  const observer: StreamObserver = {
    sent(name, delta, size) {
      const node = numberOf(name)
      bytes[node] = (bytes[node] ?? 0) + size
      const states = statesOf(delta)
      if (states.length === 0) return
      const used = uses[node]
      if (used !== undefined && !states.some(([service]) => used.has(service))) foreign += size
      const own = onTheirWay.get(node) ?? new Map<string, Changes>()
      onTheirWay.set(node, own.set(delta.nonce, states))
    },
    answered(name, nonce, taken) {
      const node = numberOf(name)
      const atNs = nowNs()
      const states = onTheirWay.get(node)?.get(nonce) ?? []
      onTheirWay.get(node)?.delete(nonce)
      if (taken) for (const [service, turn] of states) acks.push([service, turn, node, atNs])
    },
  }
  return { observer, bytes, foreignBytes: () => foreign }
}

type Changes = readonly (readonly [service: number, turn: number])[]

/** The services in a delta that were changed, and how often they were. */
function statesOf({ upserts }: Delta): Changes {
  return upserts.flatMap((resource) => {
    if (resource.type !== 'service') return []
    const turn = (resource.endpoints[0]?.ports[servicePort] ?? 0) - firstChangedPort
    return turn < 0 ? [] : [[numberOf(resource.name), turn] as const]
  })
}

function numberOf(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1))
}
