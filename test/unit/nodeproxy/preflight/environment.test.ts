import assert from 'node:assert/strict'
import test from 'node:test'
import {
  findMount,
  parseCapabilities,
  parseLimit,
  parseMountinfo,
  parseRelease,
} from '../../../../src/nodeproxy/preflight/environment.ts'

test('capabilities are read from the effective set', () => {
  const root = parseCapabilities('CapPrm:\t0\nCapEff:\t000001ffffffffff\n')
  assert.ok(root.has('CAP_BPF') && root.has('CAP_PERFMON') && root.has('CAP_SYS_ADMIN'))
  assert.equal(parseCapabilities('CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n').size, 0)
  // Bit 39 alone.
  assert.deepEqual([...parseCapabilities('CapEff:\t0000008000000000\n')], ['CAP_BPF'])
  assert.equal(parseCapabilities('').size, 0)
})

test('limits are numbers, or infinite', () => {
  const limits = [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    'Max open files            1024                 20000                files     ',
    'Max locked memory         65536                unlimited            bytes     ',
  ].join('\n')
  assert.deepEqual(parseLimit(limits, 'Max open files'), { soft: 1024, hard: 20_000 })
  assert.deepEqual(parseLimit(limits, 'Max locked memory'), { soft: 65_536, hard: Infinity })
  assert.deepEqual(parseLimit(limits, 'Max nonsense'), { soft: Infinity, hard: Infinity })
})

test('mounts are found by type, with their escapes', () => {
  const mounts = parseMountinfo(
    [
      '30 23 0:28 / /sys/fs/cgroup ro,relatime - tmpfs tmpfs ro',
      '38 31 0:38 / /sys/fs/cgroup/unified rw shared:9 master:1 - cgroup2 cgroup2 rw',
      '40 31 0:40 / /with\\040space rw - bpf bpf rw',
      '41 31 0:41 / /frozen ro - bpf bpf rw',
    ].join('\n'),
  )
  assert.equal(findMount(mounts, 'cgroup2')?.point, '/sys/fs/cgroup/unified')
  assert.equal(findMount(mounts, 'bpf')?.point, '/with space')
  assert.equal(findMount(mounts, 'bpf', '/frozen')?.readOnly, true)
  assert.equal(findMount(mounts, 'tracefs'), undefined)
})

test('a mount that another one covers is not found; a writable one is preferred', () => {
  const covered = parseMountinfo('1 0 0:1 / /a rw - bpf bpf rw\n2 0 0:2 / /a rw - tmpfs tmpfs rw\n')
  assert.equal(findMount(covered, 'bpf'), undefined)
  const two = parseMountinfo('1 0 0:1 / /a ro - bpf bpf rw\n2 0 0:2 / /b rw - bpf bpf rw\n')
  assert.equal(findMount(two, 'bpf')?.point, '/b')
})

test('releases are compared by their numbers', () => {
  assert.deepEqual(parseRelease('6.1.0-56-cloud-amd64'), { major: 6, minor: 1 })
  assert.deepEqual(parseRelease('5.10'), { major: 5, minor: 10 })
  assert.deepEqual(parseRelease('strange'), { major: 0, minor: 0 })
})
