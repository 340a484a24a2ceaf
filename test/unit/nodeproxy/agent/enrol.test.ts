// Which connections count as older than a pod's enrolment: what was made while it was not enrolled.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { enrol } from '../../../../src/nodeproxy/agent/enrol.ts'
import type { AgentHandles } from '../../../../src/nodeproxy/agent/interfaces.ts'
import { newRecord } from '../../../../src/nodeproxy/agent/record.ts'
import { leave } from '../../../../src/nodeproxy/agent/remove.ts'
import { enrolment } from '../../model/builders.ts'

const netns = { fd: 3, inode: 1n, cookie: 7n }
const addresses = { ipv4: '10.0.0.2' }
const pid = 42

/** A /proc in which the pod's one process has one connection with 10.0.0.3. */
function procWithConnection(t: { after(run: () => void): void }): string {
  const procDir = mkdtempSync(join(tmpdir(), 'sluice-enrol-'))
  t.after(() => rmSync(procDir, { recursive: true }))
  const folder = join(procDir, String(pid), 'net')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'sockstat'), 'sockets: used 9\nTCP: inuse 9 orphan 0\n')
  writeFileSync(join(folder, 'tcp'), '  sl\n   0: 0200000A:9C40 0300000A:1F90 01 0:0 0\n')
  return procDir
}

/** Handles of a kernel that knows who is enrolled, and nothing more. */
function handlesOf(enrolled: Set<bigint>): AgentHandles {
  const handles = {
    native: { netnsListen: async () => 10, socketListens: () => true, closeFd: () => {} },
    kernel: {
      enrolPod: ({ netnsCookie }: { netnsCookie: bigint }) => void enrolled.add(netnsCookie),
      removePod: (cookie: bigint) => void enrolled.delete(cookie),
      excludeNetns: (cookie: bigint) => void enrolled.delete(cookie),
      enrolledNetns: () => [...enrolled],
    },
    listeners: { take: () => ({}), keep: async () => {}, drop: async () => {} },
    audience: { serve: async () => {}, retire: async () => {} },
  }
  return handles as unknown as AgentHandles
}

function setUp(t: { after(run: () => void): void }, enrolledBefore: readonly bigint[] = []) {
  const handles = handlesOf(new Set(enrolledBefore))
  const record = newRecord('uid-web', 1, 0)
  const found = { procDir: procWithConnection(t), pid }
  return {
    handles,
    record,
    async enrol() {
      record.enrolled = await enrol(handles, record, netns, enrolment('web'), addresses, found)
      return record.connectionsBeforeOpen
    },
  }
}

test('connections from before the first enrolment are older', async (t) => {
  assert.equal(await setUp(t).enrol(), 1)
})

test('those of a pod that an earlier proxy enrolled are in the mesh', async (t) => {
  assert.equal(await setUp(t, [netns.cookie]).enrol(), 0)
})

test('a change of a pod that is enrolled looks for none', async (t) => {
  const pod = setUp(t, [netns.cookie])
  await pod.enrol()
  assert.equal(await pod.enrol(), 0)
})

test('a pod that comes back before its listeners were closed has older ones', async (t) => {
  const pod = setUp(t, [netns.cookie])
  assert.equal(await pod.enrol(), 0)
  leave(pod.handles, pod.record, netns, 0)
  assert.notEqual(pod.record.enrolled, undefined)
  assert.equal(await pod.enrol(), 1)
})
