// The native core's own tests (native/test), each under AddressSanitizer with undefined behaviour,
// and under ThreadSanitizer.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'node:test'

const root = join(import.meta.dirname, '../..')

for (const file of globSync('native/test/*_test.cc', { cwd: root }).sort()) {
  const name = basename(file, '_test.cc')
  test(`native/test/${name}_test.cc passes under the sanitizers`, () => {
    const { status, signal, stdout, stderr } = spawnSync('bash', ['native/test/run.sh', name], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    })
    assert.equal(status, 0, `status ${status}, signal ${signal}\n${stdout}\n${stderr}`)
  })
}
