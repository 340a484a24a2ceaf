import type { LabelSelector, NetworkPolicy, Pod, PolicyRule } from '../cluster/objects.ts'

export type Direction = 'Ingress' | 'Egress'

/**
 * Names of the policies by which a port is closed for a pod, whoever the other end is; empty: it is
 * open for somebody at least, and whether for the right ones is not looked at.
 */
export function closedBy(
  policies: readonly NetworkPolicy[],
  pod: Pod,
  direction: Direction,
  port: number,
): readonly string[] {
  const applying = policies.filter((policy) => applies(policy, pod, direction))
  const rules = applying.flatMap(
    ({ spec }) => (direction === 'Ingress' ? spec?.ingress : spec?.egress) ?? [],
  )
  // Policies add up: one that lets it through is enough.
  if (applying.length === 0 || rules.some((rule) => opens(rule, port))) return []
  return applying.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`)
}

function applies({ metadata, spec }: NetworkPolicy, pod: Pod, direction: Direction): boolean {
  if (metadata?.namespace !== pod.metadata?.namespace) return false
  // As the API server fills it in where it is missing.
  const types =
    spec?.policyTypes ?? (spec?.egress === undefined ? ['Ingress'] : ['Ingress', 'Egress'])
  return types.includes(direction) && selects(spec?.podSelector, pod.metadata?.labels ?? {})
}

function opens({ ports = [] }: PolicyRule, wanted: number): boolean {
  if (ports.length === 0) return true
  return ports.some(({ protocol = 'TCP', port, endPort }) => {
    if (protocol !== 'TCP') return false
    // A name may be that of the port: it is given the benefit of the doubt.
    if (port === undefined || typeof port === 'string') return true
    return wanted >= port && wanted <= (endPort ?? port)
  })
}

function selects(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector = {},
  labels: Readonly<Record<string, string>>,
): boolean {
  const labelsMatch = Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
  return (
    labelsMatch &&
    matchExpressions.every(({ key = '', operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        default:
          return value === undefined
      }
    })
  )
}
