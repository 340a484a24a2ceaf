// The short form: in guests with the kernels that CI covers, preflight and those tests of
// test/kernel whose outcome differs by kernel. `npm run test:kernels` runs all of them, and says
// more.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { kernelSeries } from '../../scripts/kernels/series.ts'
import { shortForm } from '../../scripts/kernels/short-form.ts'

const script = join(import.meta.dirname, '../../scripts/kernels.ts')

interface Said {
  readonly kernels: readonly {
    readonly series: string
    readonly ok: boolean
    readonly passed: number
    readonly tookMs: number
    readonly problems: readonly string[]
  }[]
}

const seriesOfCi = kernelSeries.filter(({ ci }) => ci).map(({ name }) => name)

test(`guests with kernels ${seriesOfCi.join(' and ')} pass the short form`, async (context) => {
  const child = spawn(process.execPath, [script, '--ci', '-o', 'json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: context.signal,
    killSignal: 'SIGTERM',
  })
  const heard = Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = (await once(child, 'exit')) as [number | null]
  const [stdout, stderr] = await heard
  assert.ok(stdout.startsWith('{'), stderr)
  const { kernels } = JSON.parse(stdout) as Said
  const chosen = shortForm.flatMap(({ tests }) => tests).length
  for (const { series, ok, passed, tookMs, problems } of kernels) {
    assert.ok(ok, `${series}: ${problems.join('\n')}`)
    assert.equal(passed, chosen)
    context.diagnostic(`${series}: ${passed} tests, ${Math.round(tookMs / 1000)} s`)
  }
  assert.deepEqual(
    kernels.map(({ series }) => series),
    seriesOfCi,
  )
  assert.equal(status, 0, stderr)
})
