import assert from 'node:assert/strict'
import test from 'node:test'
import { cgroup2Mount } from '../../../src/lab/mounts.ts'

const hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 master:2 - cgroup2 cgroup2 rw
`

test('cgroup v2 is found beside cgroup v1', () => {
  assert.equal(cgroup2Mount(hybrid), '/sys/fs/cgroup/unified')
})

test('a path with spaces is read', () => {
  const line = '41 31 0:38 / /mnt/my\\040cgroups rw - cgroup2 none rw'
  assert.equal(cgroup2Mount(line), '/mnt/my cgroups')
})

test('where there is none, the error says how to mount it', () => {
  assert.throws(() => cgroup2Mount(''), /mount -t cgroup2/)
})
