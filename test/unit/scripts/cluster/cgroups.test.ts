import assert from 'node:assert/strict'
import test from 'node:test'
import { readHierarchies } from '../../../../scripts/cluster/cgroups.ts'

test('machines with both versions: each hierarchy once, by what tells it apart', () => {
  const mountinfo = `24 23 0:22 / /sys rw - sysfs sysfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
50 41 0:38 / /mnt/again rw,relatime - cgroup2 cgroup2 rw`
  assert.deepEqual(readHierarchies(mountinfo), [
    { mount: '/sys/fs/cgroup/cpu,cpuacct', version: 1, options: 'cpu,cpuacct' },
    { mount: '/sys/fs/cgroup/systemd', version: 1, options: 'name=systemd' },
    { mount: '/sys/fs/cgroup/unified', version: 2, options: '' },
  ])
})

test('machines with version 2 alone', () => {
  assert.deepEqual(readHierarchies('30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw'), [
    { mount: '/sys/fs/cgroup', version: 2, options: '' },
  ])
})

test('without version 2 the error says how to mount it', () => {
  assert.throws(() => readHierarchies('30 23 0:26 / / rw - ext4 /dev/sda rw'), /mount -t cgroup2/)
})
