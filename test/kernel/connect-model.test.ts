// The connect hooks against a model of them, on the same inputs.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { directions, layoutVersion, listenerKeyLayout } from '../../src/nodeproxy/kernel/abi.ts'
import { encode } from '../../src/nodeproxy/kernel/layout.ts'
import { type ConnectCase, type Decision, decideConnect } from './support/connect-model.ts'
import { amount } from './support/guest.ts'
import { createPod, type TestPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, ECONNREFUSED, EPERM, type Sockets } from './support/sockets.ts'

const destinations = [
  '10.96.0.10',
  '::ffff:10.96.0.10',
  'fd96::10',
  '10.77.0.2',
  'fd77::2',
  '127.0.0.1',
  '127.255.0.3',
  '::ffff:127.0.0.1',
  '::1',
  '0.0.0.0',
  '::',
  '::ffff:0.0.0.0',
  '169.254.169.254',
  '223.255.255.255',
  '224.0.0.1',
  '::ffff:239.1.2.3',
  '255.255.255.255',
  'fe80::1',
  'febf::1',
  'fec0::1',
  'ff02::1',
] as const

const cases: fc.Arbitrary<ConnectCase> = fc.record({
  // Those that let everything pass early are rarer, so that more cases come further.
  live: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.constant(false)),
  caller: fc.oneof(
    { weight: 6, arbitrary: fc.constant('app' as const) },
    fc.constant('proxy' as const),
  ),
  pod: fc.oneof(
    { weight: 4, arbitrary: fc.constant('enrolled' as const) },
    fc.constant('excluded' as const),
    fc.constant('unknown' as const),
  ),
  failClosed: fc.boolean(),
  hasIpv6: fc.boolean(),
  hasListeners: fc.boolean(),
  proxyAlive: fc.boolean(),
  unclassified: fc.constantFrom('count', 'refuse'),
  to: fc.constantFrom(...destinations),
})

interface Stage {
  readonly rig: Rig
  readonly sockets: Sockets
  readonly pod: TestPod
}

/** Brings the kernel into the state of the case, and lets a real socket connect in it. */
function connectIn({ rig, sockets, pod }: Stage, it: ConnectCase): Decision {
  const { ipv6: _, ...onlyIpv4 } = pod.enrolment
  rig.kernel.removePod(pod.cookie, 'ended')
  if (it.pod === 'excluded') rig.kernel.excludeNetns(pod.cookie)
  if (it.pod === 'enrolled') {
    rig.kernel.enrolPod({ ...(it.hasIpv6 ? pod.enrolment : onlyIpv4), failClosed: it.failClosed })
  }
  rig.kernel.setSettings({ unclassified: it.unclassified })
  if (!it.hasListeners) removeListeners(rig, pod)
  rig.setActiveLayout(it.live ? layoutVersion : layoutVersion + 1)
  rig.beat(it.proxyAlive ? -1000 : 600)
  const connect = (): { fd: number; result: number } => sockets.connect(pod.netnsFd, it.to, 80)
  const { result, rose } = rig.counted(() =>
    it.caller === 'proxy' ? rig.asProxy(connect) : connect(),
  )
  sockets.close(result.fd)
  const counters = Object.entries(rose).filter(([name]) => name.startsWith('connect'))
  assert.equal(counters.length, 1, JSON.stringify(rose))
  assert.deepEqual(counters[0]?.[1], 1)
  const counter = counters[0]?.[0] as Decision['counter']
  if (result.result === EPERM) return { counter, outcome: 'EPERM' }
  // Without a listener at the destination a passed connect is refused by TCP, but not at once.
  if (result.result === ECONNREFUSED) return { counter, outcome: 'ECONNREFUSED' }
  return { counter, outcome: rose.originPublished === 1 ? 'redirected' : 'passed' }
}

function removeListeners(rig: Rig, pod: TestPod): void {
  for (const addr of [pod.ipv4, pod.ipv6]) {
    const key = encode(listenerKeyLayout, { addr, direction: directions.outbound })
    rig.native.bpfMapDelete(rig.map('listeners'), key)
  }
}

test('the connect hooks decide as the model says', async (t) => {
  const rig = createRig(t, { settings: { beatMaxAgeMs: 500 } })
  const sockets = createSockets(rig)
  const pod = await createPod(rig, { enrol: false })
  fc.assert(
    fc.property(cases, (it) => {
      assert.deepEqual(connectIn({ rig, sockets, pod }, it), decideConnect(it))
    }),
    { numRuns: amount({ usual: 500, emulated: 150 }) },
  )
})
