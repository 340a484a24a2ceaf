// test/kernel once more, in guests with the kernels that CI covers. `npm run test:kernels` does it
// for all of them, and says more while it runs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { kernelSeries } from '../../scripts/kernels/series.ts'

const script = join(import.meta.dirname, '../../scripts/kernels.ts')

for (const { name } of kernelSeries.filter((series) => series.ci)) {
  test(`a guest with kernel ${name} passes test/kernel`, async (context) => {
    const child = spawn(process.execPath, [script, '--kernel', name], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: context.signal,
      killSignal: 'SIGTERM',
    })
    const said = Promise.all([text(child.stdout), text(child.stderr)])
    const [status] = (await once(child, 'exit')) as [number | null]
    assert.equal(status, 0, (await said).join('\n'))
  })
}
