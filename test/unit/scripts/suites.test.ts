import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { filesOf, shortFilesOf, suites } from '../../../scripts/testing/suites.ts'
import { root } from '../../../scripts/tools.ts'

test('every suite has files, and its short form is of these', () => {
  for (const suite of suites) {
    const files = filesOf(suite)
    const short = shortFilesOf(suite)
    assert.ok(short.length > 0, suite.name)
    const others = short.filter((file) => !files.includes(file))
    assert.deepEqual(others, [], suite.name)
  }
})

test('every test file is in one suite', () => {
  const files = globSync('test/**/*.test.ts', { cwd: root }).map((file) => join(root, file))
  assert.deepEqual(suites.flatMap(filesOf).sort(), files.sort())
})
