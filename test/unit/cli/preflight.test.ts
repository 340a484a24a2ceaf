import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import test from 'node:test'
import { Command, CommanderError } from 'commander'
import { type PreflightSurroundings, registerPreflight } from '../../../src/cli/preflight.ts'
import type { PreflightOptions } from '../../../src/nodeproxy/preflight/run.ts'
import type { Verdict } from '../../../src/nodeproxy/preflight/verdict.ts'
import { failure, verdictWith } from './verdicts.ts'

interface Ran {
  readonly text: string
  readonly status: number | undefined
  readonly asked: readonly PreflightOptions[]
}

async function runVerb(args: readonly string[], verdict: Verdict): Promise<Ran> {
  const chunks: string[] = []
  const asked: PreflightOptions[] = []
  let status: number | undefined
  const around: PreflightSurroundings = {
    run: async (options) => {
      asked.push(options)
      return verdict
    },
    output: new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk.toString())
        done()
      },
    }),
    errors: process.stderr,
    env: {},
    nowMs: () => 0,
    open: async () => assert.fail('no cluster is asked'),
    setExitCode: (code) => {
      status = code
    },
  }
  const program = new Command('sluice')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  registerPreflight(program, around)
  // Verbs made after exitOverride() inherit it.
  await program.parseAsync(['preflight', ...args], { from: 'user' })
  return { text: chunks.join(''), status, asked }
}

test('-o json prints the verdict and nothing else', async () => {
  const verdict = verdictWith({ accounting: failure('0 bytes') })
  const { text, status } = await runVerb(['-o', 'json'], verdict)
  assert.deepEqual(JSON.parse(text), verdict)
  assert.equal(status, 0)
})

test('the exit status is the verdict', async () => {
  assert.equal((await runVerb([], verdictWith({}))).status, 0)
  assert.equal((await runVerb([], verdictWith({ bpffs: failure('no') }))).status, 1)
  assert.equal((await runVerb(['-o', 'json'], verdictWith({ addon: failure('no') }))).status, 1)
})

test('without -o it is a table, without colour where it is no terminal', async () => {
  const { text } = await runVerb([], verdictWith({}))
  assert.match(text, /^Kernel 6\.1\.0-test\n√ /)
  assert.ok(!text.includes(String.fromCharCode(27)))
})

test('options reach the probes, and wrong ones are refused', async () => {
  const { asked } = await runVerb(['--kubepods', '/x', '--timeout', '5'], verdictWith({}))
  assert.deepEqual(asked, [{ kubepods: '/x', timeoutMs: 5000 }])
  assert.deepEqual((await runVerb([], verdictWith({}))).asked, [{ timeoutMs: 60_000 }])
  for (const args of [['--timeout', 'soon'], ['--timeout', '0'], ['-o', 'xml'], ['--what']]) {
    await assert.rejects(runVerb(args, verdictWith({})), CommanderError)
  }
})
