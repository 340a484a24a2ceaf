import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { parseOptions } from '../../../../src/nodeproxy/lifecycle/options.ts'

const required = {
  '--node': 'node1',
  '--kubepods': '/sys/fs/cgroup/kubepods',
  '--state': '/var/lib/sluice',
  '--config-socket': '/run/sluice/config.sock',
  '--keeper-socket': '/run/sluice/keeper.sock',
}

function argv(changes: Readonly<Record<string, string>> = {}): readonly string[] {
  return Object.entries({ ...required, ...changes }).flat()
}

/** What people read when they got a flag wrong. */
function complaint(t: TestContext, args: readonly string[]): string {
  let said = ''
  t.mock.method(process.stderr, 'write', (text: string) => {
    said += text
    return true
  })
  assert.throws(() => parseOptions(args))
  t.mock.restoreAll()
  return said
}

test('what is needed is enough; the rest has defaults', () => {
  const options = parseOptions(argv())
  assert.equal(options.node, 'node1')
  assert.deepEqual(options.metricsAddress, { host: '0.0.0.0', port: 15020 })
  assert.deepEqual(options.adminAddress, { host: '127.0.0.1', port: 15000 })
  assert.equal(options.bpffs, '/sys/fs/bpf')
  assert.ok(options.workers >= 1)
  assert.equal(options.accessLog, 1)
  assert.equal(options.uninstall, false)
})

test('addresses of both families, and the ways to say how much is logged', () => {
  const options = parseOptions(
    argv({
      '--metrics-address': '[fd00::1]:15020',
      '--admin-address': '[::1]:15000',
      '--access-log': '0.1',
    }),
  )
  assert.deepEqual(options.metricsAddress, { host: 'fd00::1', port: 15020 })
  assert.deepEqual(options.adminAddress, { host: '::1', port: 15000 })
  assert.equal(options.accessLog, 0.1)
  assert.equal(parseOptions(argv({ '--access-log': 'off' })).accessLog, 0)
})

test('the source is the operator or a socket of the lab, and never both or none', (t) => {
  const { '--config-socket': _, ...rest } = required
  const options = parseOptions(Object.entries({ ...rest, '--operator': 'op.svc:15012' }).flat())
  assert.equal(options.operator, 'op.svc:15012')
  assert.equal(options.configSocket, undefined)
  assert.match(complaint(t, argv({ '--operator': 'op:1' })), /either --operator or --config-socket/)
  assert.match(complaint(t, Object.entries(rest).flat()), /either --operator or --config-socket/)
})

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ['--node', 'Node_1', /no node name/u],
  ['--kubepods', 'kubepods', /--kubepods wants an absolute path/u],
  ['--metrics-address', '15020', /--metrics-address wants ADDRESS:PORT/u],
  ['--metrics-address', '10.0.0.1:70000', /--metrics-address wants/u],
  ['--admin-address', '10.0.0.1:15000', /must be on loopback/u],
  ['--workers', '0', /--workers wants a whole number from 1/u],
  ['--workers', 'two', /--workers/u],
  ['--access-log', 'sometimes', /--access-log wants/u],
  ['--log-level', 'loud', /--log-level wants one of trace, debug/u],
  ['--state', '', /--state wants an absolute path/u],
  ['--operator', 'somewhere', /--operator wants HOST:PORT or unix:/u],
  ['--colour', 'blue', /Unknown option '--colour'/u],
]

for (const [flag, value, expected] of wrong) {
  test(`${flag} ${value} is refused, and the message says what is wanted`, (t) => {
    assert.match(complaint(t, argv({ [flag]: value })), expected)
  })
}

test('help names every flag, what it is for and what it is without being given', (t) => {
  let said = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    said += text
    return true
  })
  assert.throws(() => parseOptions(['--help']), { isHelp: true })
  t.mock.restoreAll()
  assert.match(said, /--kubelet-cgroup <path> +the kubelet's cgroup2 directory: [^(]*\n/u)
  assert.match(said, /--node <name> .*\(required\)/u)
  assert.match(said, /--admin-address <ip:port> .*\(127\.0\.0\.1:15000\)/u)
  assert.match(said, /--uninstall /u)
})

test('a flag that is missing is named', (t) => {
  assert.match(complaint(t, ['--node', 'node1']), /--state/u)
})
