import { type Child, startChild } from './child.ts'
import { type GeneratedCluster, serveCluster } from './api-server.ts'
import { createLedger, type Duration, type Ledger } from './ledger.ts'
import {
  type Ack,
  type NodesAnswer,
  type NodesOrder,
  nowNs,
  type OperatorAnswer,
  type OperatorOrder,
  servingName,
} from './messages.ts'
import { type ControlPlan, type Usage, usageOf } from './plan.ts'

/** What was seen; times in the units of their names. */
export interface ControlFigures {
  readonly startS: number
  readonly firstUseS: number
  /** Of one node on average: its own pods, then with half of its services, then with all. */
  readonly bytesOwnPods: number
  readonly bytesHalf: number
  readonly bytesPerNode: number
  readonly fullPushBytes: number
  readonly unrelatedChangeBytes: number
  /** Of changes to a service that one node uses. */
  readonly single: readonly number[]
  /** Of changes to the popular one: until its last node. */
  readonly fanout: readonly number[]
  readonly fanoutNodes: number
  readonly unexpectedAcks: number
  readonly coldRestartS: number
  readonly operatorRssMb: number
  readonly operatorCpuS: Readonly<Record<string, number>>
  readonly nodesCpuS: Readonly<Record<string, number>>
}

interface World {
  readonly plan: ControlPlan
  readonly usage: Usage
  readonly cluster: GeneratedCluster
  readonly operator: Child<OperatorOrder, OperatorAnswer>
  /** Each simulates a part of them. */
  readonly nodes: readonly Child<NodesOrder, NodesAnswer>[]
  readonly ledger: Ledger
  /** How often each service was changed. */
  readonly turns: Map<number, number>
  /** CPU of both processes by phase. */
  readonly operatorCpuS: Record<string, number>
  readonly nodesCpuS: Record<string, number>
}

/** So that their heaps stay of a size that its collector is made for. */
const nodesPerProcess = 250

/** Runs all phases but the one on a real node. */
export async function measureControl(
  plan: ControlPlan,
  say: (text: string) => void,
): Promise<ControlFigures> {
  const cluster = await serveCluster(plan)
  const ledger = createLedger()
  const onAcks = (acks: unknown) => {
    for (const ack of acks as readonly Ack[]) ledger.acknowledge(ack)
  }
  const program = (name: string) => new URL(`${name}-process.ts`, import.meta.url)
  await using operator = startChild<OperatorOrder, OperatorAnswer>(program('operator'), onAcks)
  await using undo = new AsyncDisposableStack()
  const nodes = Array.from({ length: Math.ceil(plan.nodes / nodesPerProcess) }, () =>
    undo.use(startChild<NodesOrder, NodesAnswer>(program('nodes'))),
  )
  const cpu = { operatorCpuS: {}, nodesCpuS: {} }
  const parts = { plan, usage: usageOf(plan), cluster, operator, nodes, ledger }
  const world: World = { ...parts, turns: new Map(), ...cpu }
  try {
    return await runPhases(world, say)
  } finally {
    await cluster.close()
  }
}

async function runPhases(world: World, say: (text: string) => void): Promise<ControlFigures> {
  const { plan, usage, operator, nodes, ledger, operatorCpuS, nodesCpuS } = world
  const begunNs = nowNs()
  const phase = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    say(`${name} …`)
    const ofNodes = () => sum(nodes.map((one) => one.cpuSeconds()))
    const [own, other] = [operator.cpuSeconds(), ofNodes()]
    const result = await run()
    operatorCpuS[name] = operator.cpuSeconds() - own
    nodesCpuS[name] = ofNodes() - other
    return result
  }
  await phase('start', () => startBoth(world))
  const startS = (nowNs() - begunNs) / 1e9
  const use = async (services: number) => {
    const { seconds } = await askAll(world, { kind: 'use', services })
    return { seconds, bytes: await meanBytes(world) }
  }
  const own = await phase('own pods', () => use(0))
  const half = await phase('half of the services', () => use(plan.servicesPerNode / 2))
  const whole = await phase('all of the services', () => use(plan.servicesPerNode))
  const unrelated = await phase('unrelated changes', () => unrelatedBytes(world))
  await phase('changes, to warm up', () => change(world, Math.min(5, plan.seconds)))
  ledger.forget()
  await phase('changes', () => change(world, plan.seconds))
  const { durations, unexpected } = ledger
  const restart = await phase('restart', () => askAll(world, { kind: 'restart' }))
  const { peakMb } = operator.memory()
  await phase('everything', async () => nodes[0]?.ask({ kind: 'everything' }))
  const { bytes, foreignBytes } = await operator.ask({ kind: 'sent' })
  const fanoutNodes = usage.ofService[usage.popular]?.length ?? 0
  return {
    startS,
    firstUseS: own.seconds + half.seconds + whole.seconds,
    bytesOwnPods: own.bytes,
    bytesHalf: half.bytes,
    bytesPerNode: whole.bytes,
    fullPushBytes: bytes[plan.nodes] ?? 0,
    unrelatedChangeBytes: unrelated + foreignBytes,
    single: millisecondsOf(durations, (count) => count === 1),
    fanout: millisecondsOf(durations, (count) => count === fanoutNodes),
    fanoutNodes,
    unexpectedAcks: unexpected,
    coldRestartS: restart.seconds,
    operatorRssMb: peakMb,
    operatorCpuS,
    nodesCpuS,
  }
}

async function startBoth({ plan, cluster, operator, nodes }: World): Promise<void> {
  const { grpcPort } = await operator.ask({ kind: 'start', plan, apiUrl: cluster.url })
  const ca = cluster.configMap('sluice-ca')?.['ca.crt'] ?? ''
  const address = `127.0.0.1:${grpcPort}`
  for (const [index, one] of nodes.entries()) {
    const [first, end] = [index, index + 1].map((turn) => turn * nodesPerProcess)
    const part = { first: first ?? 0, end: Math.min(plan.nodes, end ?? 0) }
    await one.ask({ kind: 'start', plan, part, address, serverName: servingName, ca })
  }
}

/** Asks all at once. */
async function askAll({ nodes }: World, order: NodesOrder): Promise<NodesAnswer> {
  const answers = await Promise.all(nodes.map((one) => one.ask(order)))
  return { seconds: Math.max(...answers.map(({ seconds }) => seconds)) }
}

async function meanBytes({ plan, operator }: World): Promise<number> {
  const { bytes } = await operator.ask({ kind: 'sent' })
  return sum(bytes) / plan.nodes
}

/** What nodes were sent because of changes that concern none of them. */
async function unrelatedBytes(world: World): Promise<number> {
  const { usage, operator, ledger } = world
  const marked = usage.single[0] ?? usage.popular
  const before = await operator.ask({ kind: 'sent' })
  for (const service of usage.unused.slice(0, 100)) changeService(world, service)
  // The operator hears of changes in order: when this one is there, all before it were handled.
  changeService(world, marked)
  await settled(ledger)
  const after = await operator.ask({ kind: 'sent' })
  const users = usage.ofService[marked] ?? []
  return sum(
    after.bytes.map((bytes, node) =>
      users.includes(node) ? 0 : bytes - (before.bytes[node] ?? 0),
    ),
  )
}

function changeService({ usage, cluster, ledger, turns }: World, service: number): void {
  const turn = turns.get(service) ?? 0
  turns.set(service, turn + 1)
  const users = usage.ofService[service] ?? []
  if (users.length > 0) ledger.begin(service, turn, users, nowNs())
  cluster.change(service, turn)
}

const tickMs = 5

/** Makes changes at a steady rate; resolves when all of them are acknowledged. */
async function change(world: World, seconds: number): Promise<void> {
  const { plan, usage, ledger } = world
  const total = Math.round(plan.changesPerSecond * seconds)
  const begunNs = nowNs()
  const { promise, resolve } = Promise.withResolvers<void>()
  let made = 0
  const timer = setInterval(() => {
    const due = Math.min(total, ((nowNs() - begunNs) / 1e9) * plan.changesPerSecond)
    for (; made < due; made += 1) {
      const single = usage.single[made % usage.single.length]
      const service = made % 100 === 50 || single === undefined ? usage.popular : single
      changeService(world, service)
    }
    if (made === total) resolve()
  }, tickMs)
  await promise
  clearInterval(timer)
  await settled(ledger)
}

const settleLimitMs = 120_000

/** @throws Error when changes are never acknowledged */
async function settled(ledger: Ledger): Promise<void> {
  const begunNs = nowNs()
  while (ledger.open > 0) {
    if ((nowNs() - begunNs) / 1e6 > settleLimitMs) {
      throw new Error(`${ledger.open} changes were not acknowledged by all nodes that use them`)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, tickMs)
    await promise
  }
}

function millisecondsOf(
  durations: readonly Duration[],
  wanted: (nodes: number) => boolean,
): readonly number[] {
  return durations.filter(({ nodes }) => wanted(nodes)).map(({ ms }) => ms)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
