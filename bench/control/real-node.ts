import { waitFor } from '../../src/lab/process/wait.ts'
import type { Endpoint, NetworkAddress, Service } from '../../src/model/resources.ts'
import type { Workload } from '../../src/model/resources.ts'
import { nowNs } from './messages.ts'
import { type NodeWorld, openNodeWorld } from './node-world.ts'
import type { NodeFigures } from './report.ts'

export interface RealNodePlan {
  readonly changes: number
  /** Whose memory is measured. */
  readonly services: number
  readonly fewEndpoints: number
  readonly manyEndpoints: number
}

const port = 80
const serverPort = 7000
const targetName = 'target'
const slowMs = 300_000

/** Needs root. */
export async function measureRealNode(plan: RealNodePlan): Promise<NodeFigures> {
  const sentNs: number[] = []
  const observer = {
    sent(_node: string, { upserts }: { readonly upserts: readonly object[] }) {
      if (upserts.some((one) => 'name' in one && one.name === targetName)) sentNs.push(nowNs())
    },
    answered() {},
  }
  await using world = await openNodeWorld(observer)
  const routed = await measureRouted(world, plan.changes, sentNs)
  return { routed, ...(await measureMemory(world, plan)) }
}

/**
 * The service's only endpoint is now one server and now the other, while a client connects all the
 * time: from the moment in which the change is handed to the connection to the node, until a
 * connection is answered by the other server. @returns milliseconds
 */
async function measureRouted(
  world: NodeWorld,
  changes: number,
  sentNs: number[],
): Promise<readonly number[]> {
  const { client, servers, probe } = world
  const letters = ['a', 'b'] as const
  for (const [index, server] of servers.entries()) {
    await server.spawn([probe, 'serve', `${serverPort}`, letters[index] ?? '']).waitForLine(/ready/)
  }
  const target = (turn: number) => {
    const ip = servers[turn % 2]?.addresses.v4 ?? ''
    return serviceOf(targetName, '10.97.0.1', [endpointOf(ip, '')])
  }
  world.publish([target(0)])
  const redirected = async () => (await world.proxy.counters())['connectRedirected'] ?? 0
  const before = await redirected()
  const watching = client.spawn([probe, 'watch', '10.97.0.1', `${port}`])
  await watching.waitForLine(/^a /, slowMs)
  const routed: number[] = []
  for (let turn = 1; turn <= changes; turn += 1) {
    const [lines, sent] = [watching.lines().length, sentNs.length]
    world.publish([target(turn)])
    await waitFor('the change to be used', () => watching.lines().length > lines, slowMs)
    const [letter, atNs] = (watching.lines()[lines] ?? '').split(' ')
    if (letter !== letters[turn % 2]) throw new Error(`change ${turn} led to ${letter}`)
    routed.push((Number(atNs) - (sentNs[sent] ?? Number.NaN)) / 1e6)
  }
  await watching.stop()
  if ((await redirected()) - before < changes) throw new Error('connections were not redirected')
  return routed
}

/** With the same services, first with few endpoints each and then with many. */
async function measureMemory(
  world: NodeWorld,
  { services, fewEndpoints, manyEndpoints }: RealNodePlan,
): Promise<Pick<NodeFigures, 'bytesPerService' | 'bytesPerEndpoint'>> {
  const empty = await world.heapBytes()
  await load(world, services, fewEndpoints)
  const few = await world.heapBytes()
  await load(world, services, manyEndpoints)
  const many = await world.heapBytes()
  const bytesPerEndpoint = (many - few) / (services * (manyEndpoints - fewEndpoints))
  const bytesPerService = (few - empty) / services - fewEndpoints * bytesPerEndpoint
  return { bytesPerService, bytesPerEndpoint }
}

/** Publishes services, and has a pod connect to each, until the worker holds all of them. */
async function load(world: NodeWorld, services: number, endpoints: number): Promise<void> {
  const { client, probe, proxy } = world
  const numbers = Array.from({ length: services }, (_, index) => index)
  world.publish(numbers.flatMap((service) => backedService(service, endpoints)))
  const addresses = numbers.map(addressOf)
  await waitFor(
    `${services} services on the node`,
    async () => {
      const touching = client.spawn([probe, 'touch', `${port}`, ...addresses])
      await touching.exited
      const workers = JSON.parse((await proxy.admin('/connections?format=json')).body) as Readonly<
        Record<string, { readonly tables: { services: number; endpoints: number } }>
      >
      const { tables } = workers['worker0'] ?? {}
      if (tables === undefined) return false
      return tables.services >= services && tables.endpoints >= services * endpoints
    },
    slowMs,
  )
}

function addressOf(service: number): string {
  return `10.97.${1 + (service >> 8)}.${service & 255}`
}

function backedService(service: number, endpoints: number): (Service | Workload)[] {
  const name = `service-${service}`
  const key = `bench/${name}.bench.svc.cluster.local`
  const workloads = Array.from({ length: endpoints }, (_, index) => workloadOf(service, index, key))
  const of = workloads.map(({ uid, addresses }) => endpointOf(addresses[0]?.ip ?? '', uid))
  return [...workloads, serviceOf(name, addressOf(service), of)]
}

function networkAddress(ip: string): NetworkAddress {
  return { network: 'default', ip }
}

function serviceOf(name: string, ip: string, endpoints: readonly Endpoint[]): Service {
  const hostname = `${name}.bench.svc.cluster.local`
  return {
    type: 'service',
    key: `bench/${hostname}`,
    namespace: 'bench',
    name,
    hostname,
    addresses: [networkAddress(ip)],
    ports: [{ name: 'http', port, appProtocol: '' }],
    endpoints,
    clientIpAffinitySeconds: 0,
    internalTrafficPolicy: 'cluster',
    externalTrafficPolicy: 'cluster',
    publishNotReadyAddresses: false,
    trafficDistribution: '',
  }
}

const ports = { [port]: serverPort }

function endpointOf(ip: string, workload: string): Endpoint {
  return {
    workload,
    address: networkAddress(ip),
    ports,
    node: workload === '' ? '' : 'elsewhere',
    zone: 'zone1',
    ready: true,
    serving: true,
    terminating: false,
    zoneHints: [],
    nodeHints: [],
  }
}

/** A pod of another node; nothing listens there, and nothing need. */
function workloadOf(service: number, index: number, key: string): Workload {
  const owner = `service-${service}`
  const name = `${owner}-7d9f8c6b5-${(0x10_0000 + index).toString(36).slice(-5)}`
  return {
    type: 'workload',
    uid: `Kubernetes/Pod/bench/${name}`,
    cluster: 'Kubernetes',
    namespace: 'bench',
    name,
    addresses: [networkAddress(`10.${100 + (service >> 8)}.${service & 255}.${index}`)],
    node: 'elsewhere',
    hostNetwork: false,
    trustDomain: 'cluster.local',
    serviceAccount: owner,
    locality: { region: 'north', zone: 'zone1', subzone: '' },
    tunnel: 'none',
    enrolled: true,
    ready: true,
    owner,
    ownerKind: 'Deployment',
    canonicalName: owner,
    canonicalRevision: 'v1',
    app: owner,
    version: 'v1',
    services: [key],
  }
}
