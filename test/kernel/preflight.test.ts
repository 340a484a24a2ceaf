import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { catalogue } from '../../src/nodeproxy/preflight/catalogue.ts'
import type { FeatureState } from '../../src/nodeproxy/kernel/kernel.ts'
import { findBpffs, findMount, parseMountinfo } from '../../src/nodeproxy/preflight/environment.ts'
import type { Check, Verdict } from '../../src/nodeproxy/preflight/verdict.ts'
import { createRig } from './support/rig.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
const cgroup2 = findMount(mounts, 'cgroup2')?.point ?? ''
const bpffs = findBpffs(mounts)?.point ?? ''
/** Only a fault takes this long, also on an emulated machine under load. */
const patienceS = '300'

interface Ran {
  readonly status: number | null
  readonly verdict: Verdict
  readonly check: (id: string) => Check
}

/** Begins `sluice preflight -o json`, inside `wrapper` when given. */
function begin(t: TestContext, wrapper: readonly string[], args: readonly string[]): ChildProcess {
  const own = [process.execPath, main, 'preflight', '--timeout', patienceS, ...args]
  const [command = '', ...rest] = [...wrapper, ...own]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function end(child: ChildProcess): Promise<Ran> {
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const verdict = JSON.parse(text) as Verdict
  const check = (id: string): Check => {
    const found = verdict.checks.find((candidate) => candidate.id === id)
    assert.ok(found, id)
    return found
  }
  return { status, verdict, check }
}

function preflight(t: TestContext, wrapper: readonly string[] = []): Promise<Ran> {
  return end(begin(t, wrapper, ['-o', 'json']))
}

/** In a mount namespace of its own, after shell commands that break something there. */
function broken(commands: string): readonly string[] {
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-ec',
    `${commands}; exec "$@"`,
    'sh',
  ]
}

interface ScratchObject {
  readonly path: string
  /** The process of the probes that made it. */
  readonly pid: number
}

/** What preflights have made on this machine, other people's that run at the same time too. */
function scratchObjects(): readonly ScratchObject[] {
  return [cgroup2, bpffs, join(bpffs, 'sluice')].flatMap((folder) =>
    namesIn(folder).flatMap((name) => {
      const [, pid] = /^sluice-preflight-(\d+)-\d+$/.exec(name) ?? []
      return pid === undefined ? [] : [{ path: join(folder, name), pid: Number(pid) }]
    }),
  )
}

/** The folder of nodes goes with its last one, at any moment. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT')
    return []
  }
}

/** What is left of runs that are over. */
function leftovers(): readonly ScratchObject[] {
  return scratchObjects().filter(({ pid }) => !existsSync(`/proc/${pid}`))
}

/** The process of a command's probes, once it has made something. */
async function probesOf(command: ChildProcess): Promise<number> {
  let found: number | undefined
  await eventually('a scratch object', () => {
    found = scratchObjects().find(({ pid }) => parentOf(pid) === command.pid)?.pid
    return found !== undefined
  })
  assert.ok(found !== undefined)
  return found
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + Number(patienceS) * 1_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('this machine: every check is answered, and nothing is left behind', async (t) => {
  const { status, verdict, check } = await preflight(t)
  assert.deepEqual(
    verdict.checks.map(({ id }) => id),
    catalogue.map(({ id }) => id),
  )
  assert.deepEqual(
    verdict.checks.filter((one) => one.status === 'fail' || one.status === 'skip'),
    [],
  )
  assert.equal(verdict.ok, true)
  assert.equal(status, 0)
  assert.equal(verdict.features.interception.on, true)
  assert.match(check('data-path').detail, /told 198\.18\.0\.9/)
  await eventually('nothing is left', () => leftovers().length === 0)
})

test('what it says of acceleration is what the proxy serves on this kernel', async (t) => {
  const { kernel } = createRig(t)
  const serves = (name: FeatureState['name']): boolean =>
    kernel.report.features.some((one) => one.name === name && one.on)
  const modes = kernel.settings().acceleration
  const { check, verdict } = await preflight(t)
  const { accelerateAuto, accelerateFull } = verdict.features
  assert.deepEqual(
    [accelerateAuto.on, accelerateFull.on],
    [modes.includes('auto'), modes.includes('full')],
  )
  const passes = (id: string): boolean => check(id).status === 'ok'
  const ofAll = ['redirect', 'accounting', 'programs-acceleration', 'data-path-accelerated']
  for (const id of ofAll) assert.equal(passes(id), serves('acceleration'), check(id).detail)
  assert.equal(passes('fionread'), serves('acceleration auto'), check('fionread').detail)
})

test('a plain user is told so, with the fix, and status 1', async (t) => {
  // The right to read files, in case the project lies in a folder of root's.
  const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']
  const { status, check, verdict } = await preflight(t, [
    'setpriv',
    '--reuid=65534',
    '--clear-groups',
    ...reading,
  ])
  assert.equal(status, 1)
  assert.equal(check('user').status, 'fail')
  assert.match(check('user').detail, /uid 65534/)
  assert.match(check('user').fix, /sudo sluice preflight/)
  assert.equal(check('data-path').status, 'skip')
  assert.equal(verdict.features.interception.on, false)
})

test('each missing capability is named, with what it costs', async (t) => {
  const { status, check } = await preflight(t, [
    'setpriv',
    '--bounding-set=-perfmon',
    '--inh-caps=-perfmon',
  ])
  assert.equal(status, 1)
  assert.equal(check('cap-perfmon').status, 'fail')
  assert.match(check('cap-perfmon').fix, /capabilities\.add/)
  assert.equal(check('cap-bpf').status, 'ok')
  assert.match(check('programs').detail, /needs cap-perfmon/)
  assert.equal(check('netns').status, 'ok')
})

test('file systems that may not be written: said, and the rest is asked', async (t) => {
  const needed = '+bpf,+net_admin,+perfmon,+sys_admin,+sys_ptrace'
  const { status, check } = await preflight(t, [
    'setpriv',
    '--reuid=65534',
    '--clear-groups',
    `--inh-caps=-all,${needed},+dac_read_search`,
    `--ambient-caps=-all,${needed},+dac_read_search`,
  ])
  assert.equal(status, 1)
  assert.equal(check('user').status, 'ok')
  for (const id of ['cgroup2', 'bpffs']) {
    assert.match(check(id).detail, /EACCES|EPERM/)
    assert.match(check(id).fix, /CAP_DAC_OVERRIDE/)
  }
  assert.equal(check('programs').status, 'ok')
})

test('no bpffs: a clear message with the command that mounts it', async (t) => {
  const each = 'while read -r _ point type _; do [ "$type" != bpf ] ||'
  const { status, check } = await preflight(
    t,
    broken(`${each} umount -l "$point"; done </proc/mounts`),
  )
  assert.equal(status, 1)
  assert.equal(check('bpffs').status, 'fail')
  assert.match(check('bpffs').detail, /no bpf file system is mounted/)
  assert.match(check('bpffs').fix, /mount -t bpf bpf \/sys\/fs\/bpf/)
  assert.equal(check('hook-connect4').status, 'ok')
  assert.equal(check('data-path').status, 'skip')
})

test('no cgroup2, or one that is read-only: a clear message with the command', async (t) => {
  const each = 'while read -r _ point type _; do [ "$type" != cgroup2 ] ||'
  const gone = await preflight(t, broken(`${each} umount -l "$point"; done </proc/mounts`))
  assert.equal(gone.status, 1)
  assert.match(gone.check('cgroup2').detail, /no cgroup2 file system is mounted/)
  assert.match(gone.check('cgroup2').fix, /mount -t cgroup2/)
  const frozen = await preflight(
    t,
    broken(`${each} mount -o remount,bind,ro "$point"; done </proc/mounts`),
  )
  assert.equal(frozen.status, 1)
  assert.match(frozen.check('cgroup2').detail, /read-only/)
})

test('tracefs need not be mounted', async (t) => {
  const { status, check } = await preflight(
    t,
    broken('for point in /sys/kernel/tracing /sys/kernel/debug; do umount -l $point || true; done'),
  )
  assert.equal(status, 0)
  assert.equal(check('tracepoint-splice').status, 'ok')
})

test('the given pods folder is taken, and refused when it is none', async (t) => {
  const pods = join(cgroup2, `sluice-test-pods-${process.pid}`)
  mkdirSync(pods)
  t.after(() => rmdirSync(pods))
  const good = await end(begin(t, [], ['-o', 'json', '--kubepods', pods]))
  assert.deepEqual([good.check('kubepods').status, good.check('kubepods').detail], ['ok', pods])
  const bad = await end(begin(t, [], ['-o', 'json', '--kubepods', '/nonexistent']))
  assert.equal(bad.check('kubepods').status, 'warn')
  assert.match(bad.check('kubepods').detail, /ENOENT/)
})

test('kill -9 of the command: its probes clean up', async (t) => {
  const command = begin(t, [], ['-o', 'json'])
  const probes = await probesOf(command)
  command.kill('SIGKILL')
  await eventually('its scratch objects are gone', () =>
    scratchObjects().every(({ pid }) => pid !== probes),
  )
})

test('kill -9 of the probes is a failure, not silence, and cleaned up', async (t) => {
  const command = begin(t, [], ['-o', 'json'])
  const finished = end(command)
  const probes = await probesOf(command)
  process.kill(probes, 'SIGKILL')
  const { status, verdict } = await finished
  assert.equal(status, 1)
  assert.ok(verdict.checks.some(({ detail }) => /ended with SIGKILL/.test(detail)))
  assert.deepEqual(
    scratchObjects().filter(({ pid }) => pid === probes),
    [],
  )
})

test('what a run left whose machine did not let it clean up goes with the next', async (t) => {
  const name = 'sluice-preflight-4194305-1'
  const left = [join(cgroup2, name), join(bpffs, 'sluice', name)]
  for (const folder of left) mkdirSync(folder, { recursive: true })
  const { status } = await preflight(t)
  assert.equal(status, 0)
  for (const folder of left) assert.ok(!existsSync(folder), folder)
})
