import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { removeStaleCgroups, scratchName } from '../../../../src/nodeproxy/preflight/scratch.ts'

test('what a dead run left is removed; what a living one has, and what is not ours, stays', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-scratch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const own = scratchName()
  // This process's id with another start: an earlier process that had it.
  const reused = `sluice-preflight-${process.pid}-1`
  const dead = 'sluice-preflight-4194305-77'
  for (const name of [own, reused, dead, 'kubepods', 'sluice-preflight-x']) {
    mkdirSync(join(folder, name))
  }
  removeStaleCgroups(folder)
  const left = [own, reused, dead, 'kubepods', 'sluice-preflight-x'].filter((name) =>
    existsSync(join(folder, name)),
  )
  assert.deepEqual(left, [own, 'kubepods', 'sluice-preflight-x'])
})

test('a folder that is not there has nothing stale', () => {
  removeStaleCgroups('/nonexistent/cgroup')
})
