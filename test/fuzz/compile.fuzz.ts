import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { decodeResource, encodeResource } from '../../src/model/codec/resource-codec.ts'
import { compile } from '../../src/operator/compile/compile.ts'
import { loadYaml } from '../../src/operator/compile/load-yaml.ts'
import { mutate, mutations } from './mutate.ts'

const folder = join(import.meta.dirname, '../golden/compile')
const seeds = globSync('*.in.yaml', { cwd: folder })
  .sort()
  .map((file) => loadYaml(readFileSync(join(folder, file), 'utf8'), file).objects)
if (seeds.length === 0) throw new Error(`no *.in.yaml in ${folder}: nothing to start from`)

/**
 * Kubernetes objects with a few members changed: the compiler does not throw, does not depend on
 * the order of its input, and makes nothing that its own wire codec would not read back the same.
 */
export const property = fc.property(
  fc.constantFrom(...seeds),
  mutations,
  fc.array(fc.nat(), { minLength: 50, maxLength: 50 }),
  (seed, changes, order) => {
    const mutated = mutate(seed, changes)
    const objects: readonly unknown[] = Array.isArray(mutated) ? mutated : [mutated]
    const { resources } = compile(objects)
    for (const resource of resources) {
      const wire: unknown = JSON.parse(JSON.stringify(encodeResource(resource)))
      assert.deepEqual(decodeResource(wire), { ok: true, value: resource })
    }
    // Of two objects with one name, the first is the one: there order must decide.
    if (new Set(objects.map(nameOf)).size < objects.length) return
    const shuffled = objects
      .map((object, index) => ({ object, at: order[index % order.length] ?? 0 }))
      .sort((a, b) => a.at - b.at)
      .map(({ object }) => object)
    assert.deepEqual(compile(shuffled).resources, resources)
  },
)

function nameOf(object: unknown): string {
  const { kind, metadata } = (object ?? {}) as { kind?: unknown; metadata?: unknown }
  const { namespace, name } = (metadata ?? {}) as { namespace?: unknown; name?: unknown }
  return JSON.stringify([kind, namespace, name])
}
