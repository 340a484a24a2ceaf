import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { labsOnMachine } from '../../src/lab/names.ts'
import { finish, startProcess } from '../../src/lab/process/process.ts'
import { waitFor } from '../../src/lab/process/wait.ts'

const TIMEOUT_MS = 60_000
const main = join(import.meta.dirname, '../../src/cli/main.ts')

function sluice(...args: readonly string[]) {
  return finish(startProcess([process.execPath, main, 'lab', ...args]), false, TIMEOUT_MS)
}

test('sluice lab up, exec, annotate, down', async (t) => {
  const name = `cli-${process.pid}`
  t.after(async () => {
    if (labsOnMachine().includes(name)) await sluice('down', '--name', name)
  })
  const up = await sluice('up', '--name', name, '--nodes', '1')
  assert.equal(up.status, 0, up.stderr)
  assert.match(up.stdout, /pod +shop\/client +node1 +10\.244\.1\.2 fd00:10:244:1::2/)
  const client = ['exec', '--name', name, 'shop/client', '--']

  const seen = await sluice(...client, 'ip', '-oneline', 'address', 'show', 'eth0')
  assert.match(seen.stdout, /10\.244\.1\.2\/32/)
  assert.equal((await sluice(...client, 'sh', '-c', 'exit 7')).status, 7)
  assert.match(
    (await sluice('exec', '--name', name, 'nobody', '--', 'true')).stderr,
    /nothing is called 'nobody'/,
  )

  const annotate = ['annotate', '--name', name]
  assert.equal((await sluice(...annotate, 'shop', 'a=1', 'b=2')).status, 0)
  assert.equal((await sluice(...annotate, 'shop', 'b-')).status, 0)
  assert.match((await sluice(...annotate, 'nowhere', 'a=1')).stderr, /no Namespace nowhere/)
  assert.match((await sluice(...annotate, 'shop', 'a')).stderr, /'a' is no annotation/)

  assert.match((await sluice('up', '--name', name)).stderr, /exists and process \d+ owns it/)
  const down = await sluice('down', '--name', name)
  assert.equal(down.status, 0, down.stderr)
  assert.ok(!labsOnMachine().includes(name))
  assert.match((await sluice('down', '--name', name)).stderr, /there is no lab/)
})

test('sluice lab down cleans up where owner and janitor were killed', async () => {
  const name = `orphan-${process.pid}`
  const owner = startProcess([
    process.execPath,
    join(import.meta.dirname, 'support/doomed-owner.ts'),
    name,
  ])
  await owner.waitForLine(/^\[/)
  const janitor = pidOf(`janitor.ts ${name}`)
  process.kill(janitor, 'SIGKILL')
  await waitFor('the janitor to be dead', () => !isRunning(janitor))
  await owner.stop()
  assert.ok(labsOnMachine().includes(name), 'nobody cleaned')
  const down = await sluice('down', '--name', name)
  assert.equal(down.stdout, `lab ${name} is down\n`, down.stderr)
  assert.ok(!labsOnMachine().includes(name))
})

/** The process whose command line ends so. */
function pidOf(end: string): number {
  const found = readdirSync('/proc').find(
    (entry) => /^\d+$/.test(entry) && commandLine(entry).endsWith(end),
  )
  assert.ok(found, `no process '${end}'`)
  return Number(found)
}

function isRunning(pid: number): boolean {
  return commandLine(`${pid}`) !== ''
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}
