import type { Pod } from '../cluster/objects.ts'
import { type Finding, listed, ok, warn } from './finding.ts'
import type { ClusterFacts } from './gather.ts'
import { closedBy, type Direction } from './policies.ts'

const section = 'network-policies'
const configPort = 15_012
const tunnelPort = 15_008

/** Policies that close the mesh's own ports. What a CNI does beyond NetworkPolicy is not seen. */
export function checkPolicies(facts: ClusterFacts): readonly Finding[] {
  const { operatorPods, proxyPods, meshPods } = facts
  return [
    ...checkPort(facts, `nodes may reach the operator's port ${configPort}`, configPort, [
      { pods: operatorPods, direction: 'Ingress' },
      { pods: proxyPods, direction: 'Egress' },
    ]),
    ...checkPort(facts, `pods of the mesh may reach each other's port ${tunnelPort}`, tunnelPort, [
      { pods: meshPods, direction: 'Ingress' },
      { pods: meshPods, direction: 'Egress' },
    ]),
  ]
}

interface End {
  readonly pods: ClusterFacts['operatorPods']
  readonly direction: Direction
}

function checkPort(
  { policies }: ClusterFacts,
  title: string,
  port: number,
  ends: readonly End[],
): readonly Finding[] {
  if (!policies.ok) {
    return [warn(section, title, policies.error, 'may you list networkpolicies everywhere?')]
  }
  const unknown = ends.find(({ pods }) => !pods.ok)?.pods
  if (unknown !== undefined && !unknown.ok) {
    return [warn(section, title, unknown.error, 'may you list pods there?')]
  }
  const closed = new Set<string>()
  for (const { pods, direction } of ends) {
    for (const pod of pods.ok ? pods.value : []) {
      const by = closedBy(policies.value, pod, direction, port)
      if (by.length > 0) closed.add(`${nameOf(pod)}, ${direction}, by ${listed(by)}`)
    }
  }
  if (closed.size === 0) return [ok(section, title)]
  const hint = `let TCP port ${port} through in one of them`
  return [warn(section, title, `closed: ${listed([...closed])}`, hint)]
}

function nameOf({ metadata }: Pod): string {
  return `${metadata?.namespace}/${metadata?.name}`
}
