// What is made of the API server's answers. That it answers so is seen on the cluster.
import assert from 'node:assert/strict'
import test from 'node:test'
import { tokenReviewer } from '../../../../src/operator/identity/token-reviewer.ts'
import type { KubeApi, KubeRequest } from '../../../../src/operator/kube/api.ts'

const extra = {
  'authentication.kubernetes.io/pod-name': ['proxy-x'],
  'authentication.kubernetes.io/pod-uid': ['uid-1'],
  'authentication.kubernetes.io/node-name': ['node1'],
}
const username = 'system:serviceaccount:sluice-system:sluice-nodeproxy'
const good = {
  status: { authenticated: true, audiences: ['sluice.dev'], user: { username, extra } },
}

function reviewerOf(answers: (request: KubeRequest) => unknown, cacheSize = 10) {
  const asked: KubeRequest[] = []
  let nowMs = 1_000_000
  const api: KubeApi = {
    call: async (request) => {
      asked.push(request)
      return answers(request)
    },
    watch: async () => assert.fail('no watch'),
  }
  const reviewer = tokenReviewer({
    api,
    audience: 'sluice.dev',
    serviceAccount: 'sluice-system/sluice-nodeproxy',
    now: () => nowMs,
    goodMs: 1_000,
    badMs: 100,
    cacheSize,
  })
  return { reviewer, asked, pass: (ms: number) => void (nowMs += ms) }
}

function tokenUntil(seconds: number): string {
  return `x.${Buffer.from(JSON.stringify({ exp: seconds })).toString('base64url')}.y`
}

test('a bound token names the node, until the token ends', async () => {
  const { reviewer } = reviewerOf(() => good)
  assert.deepEqual(await reviewer(tokenUntil(1_500)), { node: 'node1', expiresAtMs: 1_500_000 })
})

test('answers are kept for a while, and asked for once however many wait', async () => {
  const { reviewer, asked, pass } = reviewerOf(() => good)
  const token = tokenUntil(5_000)
  await Promise.all([reviewer(token), reviewer(token), reviewer(token)])
  assert.equal(asked.length, 1)
  pass(999)
  await reviewer(token)
  assert.equal(asked.length, 1)
  pass(2)
  await reviewer(token)
  assert.equal(asked.length, 2)
})

test('refusals are kept for a shorter while, and no more than a few answers at all', async () => {
  const { reviewer, asked, pass } = reviewerOf(() => ({ status: { authenticated: false } }), 2)
  for (const token of ['a', 'b', 'c', 'b', 'c']) await reviewer(token)
  assert.equal(asked.length, 3)
  await reviewer('a')
  assert.equal(asked.length, 4)
  pass(101)
  await reviewer('c')
  assert.equal(asked.length, 5)
})

test('before Kubernetes 1.32 the node is that of the pod, if it is that pod still', async () => {
  const { 'authentication.kubernetes.io/node-name': _, ...older } = extra
  const answers = (uid: string) => (request: KubeRequest) =>
    request.method === 'POST'
      ? { status: { ...good.status, user: { username, extra: older } } }
      : { metadata: { uid }, spec: { nodeName: 'node2' } }
  const same = reviewerOf(answers('uid-1'))
  const who = await same.reviewer(tokenUntil(5_000))
  assert.equal('node' in who ? who.node : '', 'node2')
  assert.equal(same.asked[1]?.path, '/api/v1/namespaces/sluice-system/pods/proxy-x')
  const other = await reviewerOf(answers('uid-2')).reviewer(tokenUntil(5_000))
  assert.match('error' in other ? other.error : '', /bound to no pod on a node/)
})

const { status } = good
const refusals: readonly (readonly [string, unknown, RegExp])[] = [
  ['unknown', { status: { authenticated: false, error: 'expired' } }, /expired/],
  ['without an answer', {}, /does not know the token/],
  ['for others', { status: { ...status, audiences: ['api'] } }, /not for sluice\.dev/],
  ['for whom is not said', { status: { ...status, audiences: undefined } }, /not for sluice\.dev/],
  [
    "another account's",
    { status: { ...status, user: { username: 'system:serviceaccount:shop:web', extra } } },
    /shop:web's: nodes run as service account sluice-system\/sluice-nodeproxy/,
  ],
  ['bound to nothing', { status: { ...status, user: { username, extra: {} } } }, /no pod/],
]

for (const [what, answer, reason] of refusals) {
  test(`a token that is ${what} is refused`, async () => {
    const refusal = await reviewerOf(() => answer).reviewer('t')
    assert.ok('error' in refusal)
    assert.match(refusal.error, reason)
    assert.equal(refusal.later, false)
  })
}

test('an endless token is not even asked about', async () => {
  const { reviewer, asked } = reviewerOf(() => good)
  assert.ok('error' in (await reviewer('x'.repeat(100_000))))
  assert.equal(asked.length, 0)
})

test('while the API server is away, a node is told to come back', async () => {
  let away = true
  const { reviewer, asked } = reviewerOf(() => {
    if (away) throw new Error('connection refused')
    return good
  })
  const refusal = await reviewer(tokenUntil(5_000))
  assert.ok('error' in refusal && refusal.later)
  away = false
  assert.ok('node' in (await reviewer(tokenUntil(5_000))))
  assert.equal(asked.length, 2)
})
