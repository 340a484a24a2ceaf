// The incremental compiler gives what the whole one gives, whatever changes in whatever order.
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import { type Resource, resourceName } from '../../../../src/model/resources.ts'
import { compile, type CompileResult } from '../../../../src/operator/compile/compile.ts'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'
import { formatProblem, type Problem } from '../../../../src/operator/compile/problem.ts'
import {
  type CompiledKind,
  createIncrementalCompiler,
} from '../../../../src/operator/incremental/compiler.ts'
import { goldenFolder, readGolden } from '../golden-input.ts'
import { type KubeObject, kubeObject } from './arbitrary.ts'

function idOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`
}

function words(problems: readonly Problem[]): readonly string[] {
  return problems.map((problem) => formatProblem(problem)).sort()
}

/** What a receiver of the changes holds. */
function createHolder() {
  const held = new Map<string, Resource>()
  return {
    take({ upserts, removals }: { upserts: readonly Resource[]; removals: readonly string[] }) {
      for (const name of removals) assert.ok(held.delete(name), `${name} was not there`)
      for (const resource of upserts) {
        assert.notDeepEqual(held.get(resourceName(resource)), resource, 'sent without a change')
        held.set(resourceName(resource), resource)
      }
    },
    list: () => [...held].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource),
  }
}

const step = fc.oneof(
  { arbitrary: fc.record({ what: fc.constant('put' as const), object: kubeObject }), weight: 8 },
  fc.record({ what: fc.constant('remove' as const), pick: fc.nat() }),
  fc.record({ what: fc.constant('relist' as const), keep: fc.array(fc.boolean()) }),
  { arbitrary: fc.constant({ what: 'flush' as const }), weight: 3 },
)

test('after any changes it holds what a whole compilation gives, with the same problems', () => {
  const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const compiler = createIncrementalCompiler()
    const holder = createHolder()
    const objects = new Map<string, KubeObject>()
    let whole: CompileResult = compile([])
    const compileWhole = () => {
      whole = compile([...objects.values()], { previous: whole })
    }
    for (const each of [...steps, { what: 'flush' as const }]) {
      if (each.what === 'put') {
        objects.set(idOf(each.object), each.object)
        compiler.put(each.object)
      } else if (each.what === 'remove') {
        const gone = [...objects.values()][each.pick % Math.max(1, objects.size)]
        if (gone === undefined) continue
        objects.delete(idOf(gone))
        compiler.remove(
          gone.kind as CompiledKind,
          gone.metadata.namespace ?? '',
          gone.metadata.name,
        )
      } else if (each.what === 'relist') {
        const pods = [...objects.values()].filter(({ kind }) => kind === 'Pod')
        const left = pods.filter((_, index) => each.keep[index] ?? true)
        for (const pod of pods) if (!left.includes(pod)) objects.delete(idOf(pod))
        compiler.replace('Pod', left)
      } else {
        holder.take(compiler.flush())
        assert.deepEqual(holder.list(), whole.resources)
        assert.deepEqual(words(compiler.problems()), words(whole.problems))
      }
      compileWhole()
    }
  })
  fc.assert(property, { numRuns: 1_500 })
})

for (const file of globSync('*.in.yaml', { cwd: goldenFolder }).sort()) {
  if (file.startsWith('bad-objects') || file.startsWith('contradictions')) continue
  test(`${file} compiles to the same, put one by one in reverse`, () => {
    const objects = loadYaml(readGolden(file), file).objects as readonly KubeObject[]
    const named = objects.map((object) =>
      ['Namespace', 'Node', 'MeshConfig', 'RuntimeClass'].includes(object.kind) ||
      object.metadata.namespace !== undefined
        ? object
        : { ...object, metadata: { ...object.metadata, namespace: 'default' } },
    )
    const compiler = createIncrementalCompiler()
    const holder = createHolder()
    for (const object of named.toReversed()) {
      compiler.put(object)
      holder.take(compiler.flush())
    }
    assert.deepEqual(holder.list(), compile(named).resources)
  })
}

test('a change of one endpoint makes its service again, and nothing else of 2,000', () => {
  const compiler = createIncrementalCompiler()
  const ready = (index: number, isReady: boolean) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'shop',
      name: `s${index}`,
      labels: { 'kubernetes.io/service-name': `s${index}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'p', port: 8080 }],
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: isReady } }],
  })
  for (let index = 0; index < 2_000; index += 1) {
    compiler.put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: `s${index}` },
      spec: { clusterIPs: ['None'], clusterIP: 'None', ports: [{ name: 'p', port: 80 }] },
    })
    compiler.put(ready(index, true))
  }
  assert.equal(compiler.flush().upserts.length, 2_001)
  compiler.put(ready(7, true))
  assert.deepEqual(compiler.flush(), { upserts: [], removals: [] })
  compiler.put(ready(7, false))
  assert.deepEqual(
    compiler.flush().upserts.map((resource) => resourceName(resource)),
    ['service/shop/s7.shop.svc.cluster.local'],
  )
})
