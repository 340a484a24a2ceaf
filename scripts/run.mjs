// npm scripts come here: `node scripts/run.mjs WORK [arguments]` sets up what the work needs, then
// runs its TypeScript entry by the locked Node. Plain JavaScript, because any Node from 20 on
// starts it.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { lockedNode } from './prepare/modules.mjs'
import { prepareAlone } from './prepare/prepare.mjs'
import { root, SetupError, say } from './prepare/say.mjs'

/** @type {Record<string, string>} */
const entries = {
  demo: 'src/lab/demo.ts',
  test: 'scripts/test.ts',
  kernels: 'scripts/kernels.ts',
  check: 'scripts/check.ts',
  build: 'scripts/build.ts',
  cluster: 'scripts/cluster.ts',
  image: 'scripts/image.ts',
  bench: 'bench/main.ts',
  fuzz: 'scripts/fuzz.ts',
  sluice: 'src/cli/main.ts',
}

/**
 * Runs the entry and ends as it ends. A terminal sends its signals to the whole process group, so
 * an interrupt reaches the child without us; others that are sent to this process alone are passed
 * on.
 * @param {string} entry
 * @param {readonly string[]} args
 */
function runEntry(entry, args) {
  const child = spawn(lockedNode(), [join(root, entry), ...args], { stdio: 'inherit' })
  const onTerminal = process.stdin.isTTY === true
  for (const signal of /** @type {NodeJS.Signals[]} */ ([
    'SIGINT',
    'SIGTERM',
    'SIGHUP',
    'SIGQUIT',
  ])) {
    const fromTerminal = onTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')
    process.on(signal, () => fromTerminal || child.kill(signal))
  }
  child.on('error', (error) => {
    say(`failed: ${entry} cannot be run: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (status, signal) => {
    process.exitCode = signal === null ? (status ?? 1) : 128 + constants.signals[signal]
  })
}

const [work = '', ...args] = process.argv.slice(2)
const entry = entries[work]
if (entry === undefined) {
  say(`unknown '${work}': node scripts/run.mjs ${Object.keys(entries).join('|')} [arguments]`)
  process.exitCode = 2
} else {
  try {
    process.exitCode = prepareAlone(work)
    if (process.exitCode === 0) runEntry(entry, args)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(`failed: ${error.message}`)
    process.exitCode = 1
  }
}
