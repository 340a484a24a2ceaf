// Everything that can be said of the code without running it: `npm run check`.
//   npm run check -- PATHS         format and lint of these only
//   npm run check -- --fix PATHS   repairs what can be repaired (whole tree when no path is given)
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wrapComments } from './format/wrap-comments.ts'
import { root, runTool } from './tools.ts'

interface Step {
  readonly what: string
  readonly run: () => number
}

/** A path of JSON alone is nothing to lint, and no error. */
const lintFlags = ['--no-error-on-unmatched-pattern']

/** Fast ones first; each runs whatever the others found. */
function stepsFor(paths: readonly string[], fix: boolean): readonly Step[] {
  const where = paths.length === 0 ? ['.'] : paths
  const format = fix ? ['format', '--write'] : ['format']
  const lint: Step = {
    what: 'rules, with types, and imports (oxlint)',
    run: () => runTool('oxlint', [...lintFlags, ...(fix ? ['--fix'] : []), ...where]),
  }
  const form: Step = { what: 'format (Biome)', run: () => runTool('biome', [...format, ...where]) }
  // What oxlint changed is not formatted.
  if (fix) return [lint, form, { what: 'comments wrapped', run: () => wrap(where) }]
  const some = [form, lint]
  if (paths.length > 0) return some
  return [
    ...some,
    { what: 'types (tsc)', run: () => runTool('tsc', ['--noEmit']) },
    { what: 'dead code and dependencies (knip)', run: () => runTool('knip', ['--no-progress']) },
    { what: 'sizes and words (test/unit/tidy.test.ts)', run: tidy },
  ]
}

/** Biome leaves comments and C as they are. */
function wrap(paths: readonly string[]): number {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...paths]
  const files = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
    .split('\0')
    .map((path) => join(root, path))
    .filter((path) => /\.(ts|mjs|c|h|cc)$/.test(path) && existsSync(path))
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    const wrapped = wrapComments(text)
    if (wrapped !== text) writeFileSync(file, wrapped)
  }
  return 0
}

function tidy(): number {
  const args = ['--test', '--test-reporter=dot', join(root, 'test/unit/tidy.test.ts')]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fix: { type: 'boolean', default: false } },
})
const failed = stepsFor(positionals, values.fix).filter(({ what, run }) => {
  process.stdout.write(`check: ${what}\n`)
  return run() !== 0
})
for (const { what } of failed) process.stdout.write(`check: failed: ${what}\n`)
if (failed.length === 0) process.stdout.write('check: all is well\n')
process.exitCode = failed.length === 0 ? 0 : 1
