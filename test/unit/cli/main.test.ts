import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

const root = join(import.meta.dirname, '../../..')
const main = join(root, 'src/cli/main.ts')

function sluice(...args: readonly string[]) {
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
}

test('it says its version and its verbs', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string
  }
  assert.equal(sluice('--version').stdout.trim(), manifest.version)
  const { stdout, status } = sluice('--help')
  assert.equal(status, 0)
  for (const verb of ['check', 'status', 'config', 'preflight', 'completion']) {
    assert.match(stdout, new RegExp(`^  ${verb} `, 'm'))
  }
  assert.match(stdout, /lab/)
})

test('as a plugin of kubectl it is the same command', () => {
  const plugin = join(root, 'scripts/kubectl-sluice')
  const { stdout, status } = spawnSync(plugin, ['--help'], { encoding: 'utf8' })
  assert.equal(status, 0)
  assert.match(stdout, /Usage: sluice/)
})

test('what it does not know is refused with a hint and status 1', () => {
  const { stderr, status } = sluice('preflite')
  assert.equal(status, 1)
  assert.match(stderr, /preflight/)
})

test('a reader that goes away early is no failure of ours', async () => {
  const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const chunks: string[] = []
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
  await once(child, 'close')
  assert.equal(chunks.join(''), '')
})
