import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { sandboxName } from '../../../../src/model/sandbox.ts'
import { sandboxShim } from '../../../../src/nodeproxy/agent/sandbox.ts'

interface Process {
  readonly pid: number
  readonly parent: number
  readonly program: string
  readonly pidNamespace?: string
}

/** A /proc with these processes, below the node's first one. */
function procWith(t: TestContext, processes: readonly Process[]): string {
  const proc = mkdtempSync(join(tmpdir(), 'sandbox-'))
  t.after(() => rmSync(proc, { recursive: true }))
  for (const each of [{ pid: 1, parent: 0, program: '/sbin/init' }, ...processes]) {
    const { pid, parent, program, pidNamespace = 'pid:[1]' }: Process = each
    const folder = join(proc, `${pid}`)
    mkdirSync(join(folder, 'ns'), { recursive: true })
    writeFileSync(join(folder, 'cmdline'), `${program}\0-namespace\0k8s.io\0`)
    writeFileSync(join(folder, 'stat'), `${pid} (a) b ) S ${parent} 0 0\n`)
    symlinkSync(pidNamespace, join(folder, 'ns/pid'))
  }
  return proc
}

const runc = '/usr/bin/containerd-shim-runc-v2'
const kata = '/opt/kata/bin/containerd-shim-kata-v2'

test('the shim above the processes of a pod tells its runtime', (t) => {
  const shimOf = (program: string) =>
    sandboxShim(
      procWith(t, [
        { pid: 7, parent: 1, program },
        { pid: 8, parent: 7, program: 'qemu' },
        { pid: 9, parent: 8, program: 'app' },
      ]),
      9,
    )
  assert.equal(shimOf(kata), 'containerd-shim-kata-v2')
  assert.equal(shimOf('containerd-shim-runsc-v1'), 'containerd-shim-runsc-v1')
  assert.equal(shimOf(runc), undefined)
  assert.equal(shimOf('/usr/bin/conmon'), undefined)
})

test('what a workload calls its own processes says nothing', (t) => {
  const proc = procWith(t, [
    { pid: 7, parent: 1, program: runc },
    { pid: 8, parent: 7, program: kata, pidNamespace: 'pid:[2]' },
    { pid: 9, parent: 8, program: 'app', pidNamespace: 'pid:[2]' },
  ])
  assert.equal(sandboxShim(proc, 9), undefined)
})

test('a process that is gone, or whose ancestors go in a circle, says nothing', (t) => {
  const proc = procWith(t, [
    { pid: 7, parent: 8, program: 'a' },
    { pid: 8, parent: 7, program: 'b' },
  ])
  assert.equal(sandboxShim(proc, 7), undefined)
  assert.equal(sandboxShim(proc, 99), undefined)
})

test('handlers are known by the names that sandboxes go by', () => {
  for (const name of ['kata', 'kata-qemu-snp', 'kata_clh', 'runsc', 'gvisor', 'aws.firecracker']) {
    assert.notEqual(sandboxName(name), undefined, name)
  }
  for (const name of ['runc', 'crun', 'nvidia', 'sysbox-runc', 'spin', 'katana', '']) {
    assert.equal(sandboxName(name), undefined, name)
  }
})
