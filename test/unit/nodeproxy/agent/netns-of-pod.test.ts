import assert from 'node:assert/strict'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { netnsInode, netnsOfPod } from '../../../../src/nodeproxy/agent/netns-of-pod.ts'

interface Process {
  readonly pid: number
  readonly netns: string
  readonly startedAt?: number
}

/** A pod's cgroup with these processes, in this order, and a /proc that knows them. */
function podOf(t: TestContext, processes: readonly Process[]) {
  const root = mkdtempSync(join(tmpdir(), 'netns-of-pod-'))
  t.after(() => rmSync(root, { recursive: true }))
  const fileOf = (netns: string) => join(root, netns)
  for (const netns of ['node', 'pod', 'inner']) writeFileSync(fileOf(netns), '')
  for (const { pid, netns, startedAt = 1 } of processes) {
    const folder = join(root, 'proc', `${pid}`)
    mkdirSync(join(folder, 'ns'), { recursive: true })
    // Two namespace files are the same when their inodes are: what a link has.
    linkSync(fileOf(netns), join(folder, 'ns/net'))
    const fields = Array.from({ length: 18 }, () => '0').join(' ')
    writeFileSync(join(folder, 'stat'), `${pid} (a) b ) S ${fields} ${startedAt} 0\n`)
  }
  writeFileSync(join(root, 'cgroup.procs'), processes.map(({ pid }) => `${pid}\n`).join(''))
  const find = (held?: string) =>
    netnsOfPod(
      { uid: 'u', dir: root },
      join(root, 'proc'),
      netnsInode(fileOf('node')),
      held === undefined ? undefined : netnsInode(fileOf(held)),
    )
  return { find, inodeOf: (netns: string) => netnsInode(fileOf(netns)) }
}

test("the first process outside the node's namespace tells the pod's", (t) => {
  assert.equal(podOf(t, []).find().kind, 'empty')
  assert.equal(podOf(t, [{ pid: 1, netns: 'node' }]).find().kind, 'node')
  const { find, inodeOf } = podOf(t, [
    { pid: 1, netns: 'node' },
    { pid: 2, netns: 'pod' },
  ])
  const found = find()
  assert.ok(found.kind === 'own')
  assert.deepEqual({ pid: found.pid, inode: found.inode }, { pid: 2, inode: inodeOf('pod') })
})

test('a process that made a namespace of its own does not take the pod along', (t) => {
  const { find, inodeOf } = podOf(t, [
    { pid: 30, netns: 'inner', startedAt: 300 },
    { pid: 10, netns: 'pod', startedAt: 100 },
    { pid: 20, netns: 'inner', startedAt: 200 },
  ])
  for (const held of ['pod', undefined]) {
    const found = find(held)
    assert.ok(found.kind === 'own')
    assert.deepEqual({ pid: found.pid, inode: found.inode }, { pid: 10, inode: inodeOf('pod') })
  }
})

test('a namespace in which nobody is left is no longer the pod’s', (t) => {
  const { find, inodeOf } = podOf(t, [{ pid: 5, netns: 'inner' }])
  const found = find('pod')
  assert.ok(found.kind === 'own')
  assert.equal(found.inode, inodeOf('inner'))
})
