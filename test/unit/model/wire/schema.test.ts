// schema.json is what the .proto files say. UPDATE_GOLDEN=1 writes it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import protobuf from 'protobufjs'

const folder = join(import.meta.dirname, '../../../../src/model/wire')

/** Comments belong to the .proto files. */
function schemaOf(files: readonly string[]): unknown {
  const root = new protobuf.Root()
  for (const file of files) {
    protobuf.parse(readFileSync(join(folder, file), 'utf8'), root, { keepCase: false })
  }
  return JSON.parse(JSON.stringify(root.resolveAll().toJSON())) as unknown
}

test('schema.json is what the .proto files say', () => {
  const path = join(folder, 'schema.json')
  const fresh = schemaOf(['mesh.proto', 'discovery.proto', 'report.proto'])
  if (process.env['UPDATE_GOLDEN'] === '1')
    writeFileSync(path, `${JSON.stringify(fresh, null, 2)}\n`)
  const kept = JSON.parse(readFileSync(path, 'utf8')) as unknown
  assert.deepEqual(kept, fresh, 'run it once more with UPDATE_GOLDEN=1')
})
