import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import {
  KubepodsError,
  processesBelow,
  readCgroupTree,
} from '../../../../src/nodeproxy/agent/cgroup-tree.ts'

function tree(t: TestContext, procs: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'cgroup-tree-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [dir, text] of Object.entries(procs)) {
    mkdirSync(join(root, dir), { recursive: true })
    writeFileSync(join(root, dir, 'cgroup.procs'), text)
  }
  return root
}

test('pods of all classes are found in the layout of the cgroupfs driver', (t) => {
  const root = tree(t, {
    'podaaa/c1': '11\n',
    'burstable/podbbb/c1': '',
    'burstable/podbbb/c2': '0\n22\n',
    'besteffort/podccc': '',
    'other/podddd': '44\n',
  })
  const { pods, parents } = readCgroupTree(root)
  assert.deepEqual(pods.map(({ uid }) => uid).sort(), ['aaa', 'bbb', 'ccc'])
  assert.deepEqual([...parents].sort(), [root, join(root, 'besteffort'), join(root, 'burstable')])
  const processes = Object.fromEntries(pods.map(({ uid, dir }) => [uid, [...processesBelow(dir)]]))
  assert.deepEqual(processes, { aaa: [11], bbb: [22], ccc: [] })
})

test('pods of all classes are found in the layout of the systemd driver', (t) => {
  const root = tree(t, {
    'kubepods-podaaa_1.slice/cri-containerd-x.scope': '11\n',
    'kubepods-burstable.slice/kubepods-burstable-podbbb_2.slice/crio-y.scope/container': '22\n33\n',
    'kubepods-besteffort.slice/kubepods-besteffort-podccc_3.slice': '',
  })
  const { pods } = readCgroupTree(root)
  assert.deepEqual(pods.map(({ uid }) => uid).sort(), ['aaa-1', 'bbb-2', 'ccc-3'])
  const second = pods.find(({ uid }) => uid === 'bbb-2')
  assert.deepEqual([...processesBelow(second?.dir ?? '')], [22, 33])
})

test('a kubepods directory that is not there is an error that names the flag', () => {
  assert.throws(
    () => readCgroupTree('/nonexistent/kubepods'),
    (error) => error instanceof KubepodsError && /--kubepods/u.test(error.message),
  )
})
