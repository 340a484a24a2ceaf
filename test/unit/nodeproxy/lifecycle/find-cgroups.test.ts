import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { findNodeCgroups, ownCgroupId } from '../../../../src/nodeproxy/lifecycle/find-cgroups.ts'

interface Machine {
  /** Of a mount: `ROOT MOUNTPOINT`, the latter below the scratch folder. */
  readonly mounts: readonly string[]
  readonly own: string
  /** Below the scratch folder. */
  readonly directories: readonly string[]
  readonly kubelet?: string
}

/** Files as /proc and a cgroup2 mount have them. */
function machine(t: TestContext, { mounts, own, directories, kubelet }: Machine) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cgroups-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const directory of directories) mkdirSync(join(folder, directory), { recursive: true })
  const proc = join(folder, 'proc')
  for (const pid of ['self', '77']) mkdirSync(join(proc, pid), { recursive: true })
  const lines = mounts.map((mount, index) => {
    const [root = '', point = ''] = mount.split(' ')
    return `${index} 1 0:29 ${root} ${join(folder, point)} rw - cgroup2 cgroup rw`
  })
  writeFileSync(join(proc, 'self/mountinfo'), `1 0 8:1 / / rw - ext4 x rw\n${lines.join('\n')}\n`)
  writeFileSync(join(proc, 'self/cgroup'), `1:cpu:/x\n0::${own}\n`)
  writeFileSync(join(proc, '77/comm'), kubelet === undefined ? 'sh\n' : 'kubelet\n')
  writeFileSync(join(proc, '77/cgroup'), `0::${kubelet ?? '/'}\n`)
  return {
    proc,
    at: (directory: string) => join(folder, directory),
    id: (directory: string) => statSync(join(folder, directory), { bigint: true }).ino,
  }
}

const pod = 'kubepods/burstable/pod1/c1'

test('in the cgroup namespace of the host, it is above the proxy itself', (t) => {
  const { proc, at, id } = machine(t, {
    // The runtime's own mount of the container's cgroup comes first.
    mounts: [`/${pod} own`, '/ host'],
    own: `/${pod}`,
    directories: ['own', `host/${pod}`, 'host/system.slice/kubelet.service'],
    kubelet: '/system.slice/kubelet.service',
  })
  assert.deepEqual(findNodeCgroups(proc), {
    kubepods: at('host/kubepods'),
    kubelet: at('host/system.slice/kubelet.service'),
  })
  // Both mounts show the same cgroup; here they are two folders, and the first one counts.
  assert.equal(ownCgroupId(proc), id('own'))
})

test('in a cgroup namespace of its own, it is looked for', (t) => {
  const { proc, at, id } = machine(t, {
    mounts: ['/../../../.. host', '/ own'],
    own: '/',
    directories: ['own', 'host/kubelet.slice/kubelet-kubepods.slice', 'host/system.slice/kubelet'],
    kubelet: '/../../../../system.slice/kubelet',
  })
  assert.deepEqual(findNodeCgroups(proc), {
    kubepods: at('host/kubelet.slice/kubelet-kubepods.slice'),
    kubelet: at('host/system.slice/kubelet'),
  })
  assert.equal(ownCgroupId(proc), id('own'))
})

test('a pod that calls itself kubelet is none', (t) => {
  const { proc } = machine(t, {
    mounts: ['/ host'],
    own: `/${pod}`,
    directories: [`host/${pod}`, 'host/kubepods/pod2/c2'],
    kubelet: '/kubepods/pod2/c2',
  })
  assert.equal(findNodeCgroups(proc).kubelet, undefined)
})

test('what is not there, or there twice, is said with the flag', (t) => {
  const none = machine(t, { mounts: ['/ host'], own: '/x', directories: ['host/x'] })
  assert.throws(() => findNodeCgroups(none.proc), /no kubepods cgroup is below .*--kubepods/)
  const two = machine(t, {
    mounts: ['/ host'],
    own: '/x',
    directories: ['host/kubepods', 'host/a/kubepods'],
  })
  assert.throws(() => findNodeCgroups(two.proc), /there are several: .*--kubepods/)
  const bare = machine(t, { mounts: [], own: '/x', directories: [] })
  assert.throws(() => ownCgroupId(bare.proc), /cgroup2 is not mounted: mount -t cgroup2/)
  const away = machine(t, { mounts: ['/other host'], own: '/x', directories: ['host'] })
  assert.throws(() => ownCgroupId(away.proc), /host's cgroup namespace/)
})
