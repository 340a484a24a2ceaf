// All nodes of the generated cluster: the store of a real node each, fed over a connection of its
// own. What a node does with its configuration beyond its tables is not here.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { grpcSource } from '../../src/nodeproxy/config/grpc-source.ts'
import { createStore } from '../../src/nodeproxy/config/store.ts'
import { systemClock } from '../../src/nodeproxy/config/system-clock.ts'
import { serveParent } from './child.ts'
import { type NodesAnswer, type NodesOrder, nowNs } from './messages.ts'
import { nodeName, serviceIp, usageOf } from './plan.ts'

type Start = Extract<NodesOrder, { kind: 'start' }>

interface SimulatedNode {
  /** Pods connect to these services. Resolves when the node has all that it asked for. */
  use(services: readonly number[]): Promise<void>
  close(): Promise<void>
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const caFile = join(folder, 'ca.crt')
let started: Start | undefined
let nodes: SimulatedNode[] = []

serveParent(async (order): Promise<NodesAnswer> => {
  const beginNs = nowNs()
  await obey(order as NodesOrder)
  return { seconds: (nowNs() - beginNs) / 1e9 }
})

async function obey(order: NodesOrder): Promise<void> {
  if (order.kind === 'start') {
    started = order
    writeFileSync(caFile, order.ca)
    return
  }
  if (started === undefined) throw new Error('the first order must be start')
  const { plan } = started
  const all = Array.from({ length: plan.services }, (_, index) => index)
  if (order.kind === 'everything') {
    const node = openNode(started, plan.nodes)
    // One name less than a node may subscribe to, as its own counts.
    await node.use(all.slice(0, mostAddresses - 1))
    await node.close()
    return
  }
  if (order.kind === 'restart') {
    for (const node of nodes) void node.close()
    nodes = []
  }
  const services = order.kind === 'restart' ? plan.servicesPerNode : order.services
  const { first, end } = started.part
  const begin = started
  const own = usageOf(plan).ofNode.slice(first, end)
  if (nodes.length === 0) nodes = own.map((_, index) => openNode(begin, first + index))
  await Promise.all(nodes.map((node, index) => node.use(own[index]?.slice(0, services) ?? [])))
}

const mostAddresses = 10_000

function openNode({ address, serverName }: Start, index: number): SimulatedNode {
  const node = nodeName(index)
  const tokenFile = join(folder, node)
  writeFileSync(tokenFile, node)
  const store = createStore({
    node,
    clock: systemClock,
    source: grpcSource({
      node,
      address,
      serverName,
      caFile,
      tokenFile,
      clock: systemClock,
      random: Math.random,
    }),
    limits: { addresses: mostAddresses, addressesPerRequester: mostAddresses },
    onProblem: (message) => process.stderr.write(`${node}: ${message}\n`),
  })
  const present = new Set<string>()
  let wanted = 0
  let ready = Promise.withResolvers<void>()
  const look = () => {
    if (store.complete && present.size >= wanted) ready.resolve()
  }
  store.onChange(({ resolved }) => {
    for (const ip of resolved) {
      if (store.tables.at({ network: 'default', ip }) !== undefined) present.add(ip)
    }
    look()
  })
  return {
    async use(services) {
      wanted = services.length
      ready = Promise.withResolvers()
      for (const service of services) void store.resolve(serviceIp(service), 'pod')
      look()
      await ready.promise
    },
    close: async () => store.close(),
  }
}
