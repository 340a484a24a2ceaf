import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

/** Where the project lives: the folder above scripts/. */
export const root = join(import.meta.dirname, '..')

const entries = {
  biome: '@biomejs/biome/bin/biome',
  c8: 'c8/bin/c8.js',
  knip: 'knip/bin/knip.js',
  oxlint: 'oxlint/bin/oxlint',
  tsc: 'typescript/bin/tsc',
}

/**
 * Runs a locked tool by the Node that runs us, in the project's folder; its output is ours.
 * @returns exit status
 */
export function runTool(tool: keyof typeof entries, args: readonly string[]): number {
  const script = join(root, 'node_modules', entries[tool])
  // Some tools start others by name: they must find the locked ones.
  const path = `${dirname(process.execPath)}:${join(root, 'node_modules/.bin')}:${process.env.PATH}`
  const { status } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  })
  return status ?? 1
}
