// NetworkPolicy's own rules, as far as they say whether a port is closed.
import assert from 'node:assert/strict'
import test from 'node:test'
import { closedBy, type Direction } from '../../../../src/cli/check/policies.ts'
import type { NetworkPolicy } from '../../../../src/cli/cluster/objects.ts'

const pod = { metadata: { namespace: 'shop', name: 'web', labels: { app: 'web', tier: 'front' } } }

function policy(spec: NetworkPolicy['spec'], namespace = 'shop'): NetworkPolicy {
  return { metadata: { namespace, name: 'p' }, ...(spec === undefined ? {} : { spec }) }
}

const rows: readonly (readonly [
  what: string,
  policies: readonly NetworkPolicy[],
  closed: boolean,
  direction?: Direction,
])[] = [
  ['no policy', [], false],
  ['one that selects all and lets nothing in', [policy({ podSelector: {} })], true],
  ['of another namespace', [policy({ podSelector: {} }, 'data')], false],
  ['of other pods', [policy({ podSelector: { matchLabels: { app: 'db' } } })], false],
  ['for egress alone', [policy({ podSelector: {}, policyTypes: ['Egress'] })], false],
  ['ingress alone, and egress asked', [policy({ podSelector: {} })], false, 'Egress'],
  ['egress rules, and no types', [policy({ podSelector: {}, egress: [] })], true, 'Egress'],
  ['a rule without ports', [policy({ podSelector: {}, ingress: [{}] })], false],
  ['the port', [policy({ podSelector: {}, ingress: [{ ports: [{ port: 15_008 }] }] })], false],
  ['by UDP', [policy({ ingress: [{ ports: [{ port: 15_008, protocol: 'UDP' }] }] })], true],
  ['another port', [policy({ ingress: [{ ports: [{ port: 80 }] }] })], true],
  ['a range', [policy({ ingress: [{ ports: [{ port: 15_000, endPort: 15_010 }] }] })], false],
  ['a range below', [policy({ ingress: [{ ports: [{ port: 1, endPort: 15_007 }] }] })], true],
  ['a name', [policy({ ingress: [{ ports: [{ port: 'tunnel' }] }] })], false],
  ['two, of which one lets it in', [policy({}), policy({ ingress: [{}] })], false],
  [
    'an expression that selects it',
    [
      policy({
        podSelector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }] },
      }),
    ],
    true,
  ],
  [
    'expressions that do not',
    [
      policy({ podSelector: { matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] } }),
      policy({ podSelector: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } }),
      policy({
        podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
      }),
    ],
    false,
  ],
]

for (const [what, policies, closed, direction = 'Ingress'] of rows) {
  test(`${what}: ${closed ? 'closed' : 'open'}`, () => {
    assert.equal(closedBy(policies, pod, direction, 15_008).length > 0, closed)
  })
}
