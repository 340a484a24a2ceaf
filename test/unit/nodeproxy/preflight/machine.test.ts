import assert from 'node:assert/strict'
import test from 'node:test'
import type { Environment } from '../../../../src/nodeproxy/preflight/environment.ts'
import { probeMachine } from '../../../../src/nodeproxy/preflight/probes/machine.ts'
import type { CheckId } from '../../../../src/nodeproxy/preflight/catalogue.ts'
import type { Finding } from '../../../../src/nodeproxy/preflight/verdict.ts'

const names = ['BPF', 'NET_ADMIN', 'PERFMON', 'SYS_ADMIN', 'SYS_PTRACE', 'SYS_RESOURCE']
const root: Environment = {
  kernel: '6.1.0',
  uid: 0,
  capabilities: new Set(names.map((name) => `CAP_${name}`)),
  nofileHard: 1_048_576,
  memlockBytes: Infinity,
  mounts: [],
}

function find(id: CheckId, changes: Partial<Environment>): Finding {
  const finding = probeMachine({ ...root, ...changes }).get(id)
  assert.ok(finding)
  return finding
}

test('kernels: too old with the reason, untested, tested', () => {
  for (const kernel of ['4.19.0', '5.10.0-46-cloud-amd64', '5.14.21']) {
    const { status, detail } = find('kernel', { kernel })
    assert.equal(status, 'fail')
    assert.match(detail, /older than 5\.15: .*bpf_get_netns_cookie/)
  }
  for (const kernel of ['5.15.0', '5.19.17', '6.0.9']) {
    const { status, detail } = find('kernel', { kernel })
    assert.equal(status, 'warn')
    assert.match(detail, /untested/)
  }
  for (const kernel of ['6.1.0', '6.12.117+deb12-cloud-amd64', '7.2.12', '10.0.0']) {
    assert.equal(find('kernel', { kernel }).status, 'ok')
  }
})

test('each capability is a check of its own', () => {
  const capabilities = new Set([...root.capabilities].filter((name) => name !== 'CAP_PERFMON'))
  assert.equal(find('cap-perfmon', { capabilities }).status, 'fail')
  assert.equal(find('cap-bpf', { capabilities }).status, 'ok')
  assert.equal(find('user', { capabilities }).status, 'ok')
})

test('a plain user is told so; one with capabilities is not', () => {
  const plain = find('user', { uid: 1000, capabilities: new Set() })
  assert.equal(plain.status, 'fail')
  assert.match(plain.detail, /uid 1000/)
  assert.equal(find('user', { uid: 1000 }).status, 'ok')
  assert.equal(find('user', { uid: 0, capabilities: new Set() }).status, 'fail')
})

test('few open files are a warning with the figure', () => {
  const { status, detail } = find('nofile', { nofileHard: 20_000 })
  assert.equal(status, 'warn')
  assert.match(detail, /20,000: about 10,000 connections/)
  assert.equal(find('nofile', { nofileHard: Infinity }).status, 'ok')
})

test('locked memory matters before 5.11 alone, and to those who cannot raise it', () => {
  const tight = { memlockBytes: 65_536, kernel: '5.10.0' }
  assert.equal(find('memlock', tight).status, 'ok')
  assert.equal(find('memlock', { ...tight, capabilities: new Set(['CAP_BPF']) }).status, 'fail')
  assert.equal(find('memlock', { memlockBytes: 65_536 }).status, 'ok')
})
