import type { LabNode } from '../node.ts'
import type { LabPod } from '../pod.ts'
import type { Runner } from '../runner.ts'

/** What people look at who want to know whether something was changed. */
export interface Traces {
  /** Rules of nftables and iptables, by place. */
  readonly rules: ReadonlyMap<string, readonly string[]>
  /** A pod's processes, addresses, routes and environment, in one text. */
  readonly pods: ReadonlyMap<string, string>
}

export async function takeTraces(
  nodes: readonly LabNode[],
  pods: readonly LabPod[],
): Promise<Traces> {
  const places: readonly (readonly [string, Runner])[] = [
    ...nodes.map((node) => [`node ${node.name}`, node] as const),
    ...pods.map((pod) => [nameOf(pod), pod] as const),
  ]
  const rules = await Promise.all(
    places.map(async ([name, place]) => [name, await rulesOf(place)] as const),
  )
  const states = await Promise.all(
    pods.map(async (pod) => [nameOf(pod), await stateOf(pod)] as const),
  )
  return { rules: new Map(rules), pods: new Map(states) }
}

/** Rules that are there and were not before. */
export function rulesAdded(before: Traces, after: Traces): string[] {
  return [...after.rules].flatMap(([name, rules]) => {
    const known = new Set(before.rules.get(name))
    return rules.filter((rule) => !known.has(rule)).map((rule) => `${name}: ${rule}`)
  })
}

/** Pods of which anything differs. */
export function podsChanged(before: Traces, after: Traces): string[] {
  return [...after.pods]
    .filter(([name, state]) => before.pods.get(name) !== state)
    .map(([name]) => name)
}

function nameOf({ namespace, name }: LabPod): string {
  return `pod ${namespace}/${name}`
}

/** `-s`: without counters and elements of dynamic sets. Old iptables lists its tables in /proc. */
async function rulesOf(place: Runner): Promise<string[]> {
  const nft = await place.exec(['nft', '-s', 'list', 'ruleset'])
  const tables = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']
  const old = await place.exec(['cat', ...tables], { check: false })
  return [...nft.stdout.split('\n'), ...old.stdout.split('\n')]
    .map((line) => line.trim())
    .filter(Boolean)
}

async function stateOf(pod: LabPod): Promise<string> {
  const processes = pod
    .processes()
    .sort((a, b) => a - b)
    .join(' ')
  const addresses = await pod.exec(['ip', '-oneline', 'address'])
  const routes = await pod.exec(['ip', 'route', 'show', 'table', 'all'])
  const links = await pod.exec(['ip', '-oneline', 'link'])
  return [processes, addresses.stdout, routes.stdout, links.stdout].join('\n')
}
