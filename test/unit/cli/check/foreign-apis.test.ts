import assert from 'node:assert/strict'
import test from 'node:test'
import { checkForeign } from '../../../../src/cli/check/foreign-apis.ts'
import type { ClusterFacts } from '../../../../src/cli/check/gather.ts'
import type { ForeignKindRow } from '../../../../src/model/status.ts'

function row(kind: string, changes: Partial<ForeignKindRow> = {}): ForeignKindRow {
  const isSmi = kind.startsWith('Traffic')
  return {
    kind,
    group: isSmi ? 'split.smi-spec.io' : 'gateway.networking.k8s.io',
    state: 'absent',
    version: '',
    served: [],
    read: ['v1', 'v1beta1'],
    bundle: '',
    channel: '',
    objects: 0,
    names: [],
    error: '',
    ...changes,
  }
}

const followed = {
  state: 'followed',
  version: 'v1',
  served: ['v1'],
  bundle: 'v1.6.3',
  channel: 'standard',
} as const

function lines(rows: readonly ForeignKindRow[] | undefined, leading = true): readonly string[] {
  const replica = { replica: 'a', version: '1', notReady: '', leading, problems: [] }
  const older = { ...replica, replica: 'old', leading: !leading, rows: [] }
  const foreign = rows === undefined ? {} : { foreign: rows }
  const facts = { nodeAnswers: { answered: [older, { ...replica, ...foreign, rows: [] }] } }
  return checkForeign(facts as unknown as ClusterFacts).map(({ status, title, detail }) =>
    [status, title, detail].filter((part) => part !== '').join('; '),
  )
}

const saying: readonly (readonly [
  what: string,
  rows: readonly ForeignKindRow[] | undefined,
  said: readonly string[],
])[] = [
  ['a replica that does not say', undefined, []],
  [
    'nothing installed',
    [row('HTTPRoute'), row('XMesh'), row('TrafficSplit')],
    ['ok; Gateway API: absent, which is no fault', 'ok; SMI: absent, which is no fault'],
  ],
  [
    'the standard channel',
    [row('HTTPRoute', followed), row('XMesh')],
    ['ok; HTTPRoute: v1 (v1.6.3 standard)', 'ok; XMesh: absent, which is no fault'],
  ],
  [
    'an older version',
    [row('HTTPRoute', { ...followed, version: 'v1beta1', served: ['v1beta1'], bundle: '' })],
    ['warn; HTTPRoute: v1beta1; its CRD serves no v1, and Sluice reads v1beta1'],
  ],
  [
    'a version that is too old',
    [row('HTTPRoute', { state: 'unusable', served: ['v1alpha2'], bundle: 'v0.4.0' })],
    ['warn; HTTPRoute is followed; its CRD (v0.4.0) serves v1alpha2, not v1 or v1beta1'],
  ],
  [
    'rights that are missing',
    [row('HTTPRoute', { state: 'unknown', error: '403 forbidden' })],
    ['warn; HTTPRoute is followed; 403 forbidden'],
  ],
  [
    'routes that have no effect',
    [row('GRPCRoute', { ...followed, objects: 7, names: ['shop/a', 'shop/b'] })],
    [
      'ok; GRPCRoute: v1 (v1.6.3 standard)',
      'warn; objects of kind GRPCRoute have effect; these have none: shop/a, shop/b (7 in all); ' +
        'this version does not read them, so that they are not in force, and nothing is told on ' +
        'them',
    ],
  ],
  [
    'routes that have',
    [row('HTTPRoute', { ...followed, objects: 7, names: ['shop/a', 'shop/b'] })],
    [
      'ok; HTTPRoute: v1 (v1.6.3 standard)',
      'ok; HTTPRoute: 7 for Services; each says by its conditions if it is live',
    ],
  ],
  [
    'an XMesh of ours',
    [row('XMesh', { ...followed, objects: 1, names: ['mesh'] })],
    ['ok; XMesh: v1 (v1.6.3 standard)', 'ok; Sluice is told as mesh by XMesh mesh'],
  ],
  [
    'no XMesh of ours',
    [row('XMesh', followed)],
    [
      'ok; XMesh: v1 (v1.6.3 standard)',
      'ok; no XMesh has controllerName sluice.dev/mesh, which is no fault',
    ],
  ],
]

for (const [what, rows, said] of saying) {
  test(`${what}: what check says`, () => {
    assert.deepEqual(lines(rows), said)
    assert.deepEqual(lines(rows, false), said)
  })
}
