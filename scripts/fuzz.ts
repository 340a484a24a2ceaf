// `npm run fuzz -- [TARGET…] [--seconds N] [--seed N]`: throws random input at the parts that read
// what others wrote. A target is a file test/fuzz/NAME.fuzz.ts that exports `property`. Runs each
// for N seconds (60); prints the seed first, and on failure the smallest input that fails.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import fc, { type IAsyncProperty, type IProperty } from 'fast-check'
import { root } from './tools.ts'

interface Target {
  readonly name: string
  readonly file: string
}

interface TargetModule {
  readonly property: IProperty<unknown> | IAsyncProperty<unknown>
}

function targets(names: readonly string[]): readonly Target[] {
  const all = globSync('test/fuzz/*.fuzz.ts', { cwd: root })
    .sort()
    .map((file) => ({ name: basename(file, '.fuzz.ts'), file: join(root, file) }))
  const unknown = names.filter((name) => !all.some((target) => target.name === name))
  if (unknown.length > 0 || all.length === 0) {
    const known = all.map(({ name }) => name).join(', ') || 'none'
    throw new Error(`no such target: ${unknown.join(', ')}; there are: ${known}`)
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

/** @returns whether no input failed */
async function fuzz({ name, file }: Target, seconds: number, seed: number): Promise<boolean> {
  process.stdout.write(`fuzz ${name}: ${seconds} s, seed ${seed}\n`)
  const { property } = (await import(file)) as TargetModule
  const details = await fc.check(property as IAsyncProperty<unknown>, {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: seconds * 1000,
    markInterruptAsFailure: false,
  })
  process.stdout.write(`fuzz ${name}: ${details.numRuns} inputs\n`)
  if (details.failed) {
    const { errorInstance } = details
    const cause = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance)
    process.stdout.write(`${fc.defaultReportMessage(details)}\n${cause}\n`)
  }
  return !details.failed
}

async function main(): Promise<void> {
  // Libraries warn of odd input on stderr, which is all that they get here.
  process.removeAllListeners('warning')
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
  })
  const seed = Number(values.seed ?? Date.now() % 2 ** 31)
  const seconds = Number(values.seconds)
  if (!Number.isInteger(seed) || !(seconds > 0)) {
    throw new Error('--seconds takes a number above 0, --seed an integer')
  }
  for (const target of targets(positionals)) {
    if (!(await fuzz(target, seconds, seed))) process.exitCode = 1
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
