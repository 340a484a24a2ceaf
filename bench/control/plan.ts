/** What cluster is generated, and what is done with it; every process works it out by itself. */
export interface ControlPlan {
  readonly nodes: number
  readonly services: number
  readonly endpoints: number
  /** That the pods of one node connect to. */
  readonly servicesPerNode: number
  readonly changesPerSecond: number
  readonly seconds: number
  readonly seed: number
}

export interface Usage {
  /** Services by number, in the order in which they were drawn. */
  readonly ofNode: readonly (readonly number[])[]
  /** Nodes by number. */
  readonly ofService: readonly (readonly number[])[]
  /** The one whose users are nearest to half of all nodes. */
  readonly popular: number
  /** Those that one node alone uses. */
  readonly single: readonly number[]
  readonly unused: readonly number[]
}

export const servicePort = 80
export const targetPort = 8080

export interface PlannedEndpoint {
  readonly ip: string
  readonly pod: string
  readonly node: string
}

/** Mulberry32: small, and the same numbers on every machine. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Which node uses which services: distinct ones, drawn by Zipf's law with exponent 1. */
export function usageOf({ nodes, services, servicesPerNode, seed }: ControlPlan): Usage {
  const random = randomOf(seed)
  const sums: number[] = []
  let total = 0
  for (let rank = 1; rank <= services; rank += 1) sums.push((total += 1 / rank))
  const draw = () => firstAbove(sums, random() * total)
  const ofService: number[][] = Array.from({ length: services }, () => [])
  const ofNode = Array.from({ length: nodes }, (_, node) => {
    const own = new Set<number>()
    while (own.size < Math.min(servicesPerNode, services)) own.add(draw())
    for (const service of own) ofService[service]?.push(node)
    return [...own]
  })
  const numbers = [...ofService.keys()]
  const usersOf = (service: number) => ofService[service]?.length ?? 0
  const distance = (service: number) => Math.abs(usersOf(service) - nodes / 2)
  return {
    ofNode,
    ofService,
    popular: numbers.reduce((best, one) => (distance(one) < distance(best) ? one : best), 0),
    single: numbers.filter((one) => usersOf(one) === 1),
    unused: numbers.filter((one) => usersOf(one) === 0),
  }
}

function firstAbove(sums: readonly number[], value: number): number {
  let [low, high] = [0, sums.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sums[middle] ?? 0) > value) high = middle
    else low = middle + 1
  }
  return low
}

export function endpointsPerService({ endpoints, services }: ControlPlan): number {
  return Math.max(1, Math.round(endpoints / services))
}

const servicesPerNamespace = 100

export function namespaceOf(service: number): string {
  return `team-${Math.floor(service / servicesPerNamespace)}`
}

export function namespacesOf({ services }: ControlPlan): readonly string[] {
  const count = Math.ceil(services / servicesPerNamespace)
  return Array.from({ length: count }, (_, index) => namespaceOf(index * servicesPerNamespace))
}

export function nodeName(node: number): string {
  return `node-${node}`
}

export function serviceName(service: number): string {
  return `service-${service}`
}

export function serviceIp(service: number): string {
  return `10.96.${service >> 8}.${service & 255}`
}

/** Of a Deployment's ReplicaSet, as Kubernetes would name it. */
export function templateHash(service: number): string {
  return (0x1_0000_0000 + Math.imul(service + 1, 0x9e37_79b1)).toString(36).slice(-9)
}

const firstPodNet = 100

/** Its pods are spread over the nodes, those of one service over different ones. */
export function endpointsOf(plan: ControlPlan, service: number): readonly PlannedEndpoint[] {
  const each = endpointsPerService(plan)
  return Array.from({ length: each }, (_, index) => {
    const pod = service * each + index
    const suffix = (0x10_0000 + (Math.imul(pod + 1, 0x85eb_ca6b) >>> 12)).toString(36).slice(-5)
    return {
      ip: `10.${firstPodNet + (pod >> 16)}.${(pod >> 8) & 255}.${pod & 255}`,
      pod: `${serviceName(service)}-${templateHash(service)}-${suffix}`,
      node: nodeName(pod % plan.nodes),
    }
  })
}
