// What a test process leaves that was killed is removed by the next one.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { createRig } from './support/rig.ts'
import { defer } from './support/scratch.ts'

interface Made {
  readonly paths: readonly string[]
  readonly orphan: number
}

function leftOf({ paths, orphan }: Made): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const left = paths.filter((path) => existsSync(path) || mounts.includes(` ${path} `))
  return runs(orphan) ? [...left, `process ${orphan}`] : left
}

/** Nobody may wait for an orphan that was killed. */
function runs(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ') Z'
  return !stat.includes(') Z')
}

async function killedOwner(t: TestContext): Promise<Made> {
  // Else it would report to the runner of this test.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  const child = spawn(process.execPath, [join(import.meta.dirname, 'support/doomed-worker.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  defer(t, () => {
    child.kill('SIGKILL')
  })
  let made: Made | undefined
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('made ')) made = JSON.parse(line.slice(5)) as Made
    if (made !== undefined) break
  }
  assert.ok(made, 'it ended before it had made anything')
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  return made
}

test('the next rig removes what a killed one left, and nothing of one that lives', async (t) => {
  const made = await killedOwner(t)
  assert.equal(leftOf(made).length, made.paths.length + 1)
  const rig = createRig(t)
  assert.deepEqual(leftOf(made), [])
  const living = { paths: [rig.options.bpffsDir, rig.cgroups.root], orphan: process.pid }
  // Another process that looks for leftovers: its only test makes nothing.
  execFileSync(process.execPath, [
    '-e',
    `import(${JSON.stringify(join(import.meta.dirname, 'support/leftovers.ts'))})
      .then(({ uniqueName }) => uniqueName('scratch'))`,
  ])
  assert.equal(leftOf(living).length, 3)
})
