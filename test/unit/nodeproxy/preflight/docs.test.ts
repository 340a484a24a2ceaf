import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { catalogue } from '../../../../src/nodeproxy/preflight/catalogue.ts'
import { decideFeatures } from '../../../../src/nodeproxy/preflight/features.ts'

const page = readFileSync(join(import.meta.dirname, '../../../../docs/preflight.md'), 'utf8')

test('docs/preflight.md names every check and every feature, and none that is not', () => {
  const rows = [...page.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, id]) => id)
  const known = [...catalogue.map(({ id }) => id), ...Object.keys(decideFeatures(new Set()))]
  assert.deepEqual(new Set(rows), new Set(known))
})
