import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { readFields } from '../../src/model/fields.ts'
import { createDraw } from '../../src/nodeproxy/route/draw.ts'
import { route } from '../../src/nodeproxy/route/route.ts'
import { createTable } from '../../src/nodeproxy/route/table.ts'
import { compileRoute, mergeRoutes } from '../../src/operator/compile/http/compile-routes.ts'
import { readHttpRoute } from '../../src/operator/compile/http/read-http-route.ts'
import { loadYaml } from '../../src/operator/compile/load-yaml.ts'
import { readService } from '../../src/operator/compile/read-service.ts'
import { mutate, mutations } from './mutate.ts'

const folder = join(import.meta.dirname, '../golden/routes')
const seeds = globSync('*.in.yaml', { cwd: folder })
  .sort()
  .map((file) => loadYaml(readFileSync(join(folder, file), 'utf8'), file).objects)
if (seeds.length === 0) throw new Error(`no *.in.yaml in ${folder}: nothing to start from`)

const heads = fc.record({
  method: fc.oneof(fc.constantFrom('GET', 'OPTIONS'), fc.string()),
  path: fc.oneof(fc.webPath(), fc.string(), fc.constantFrom('/app/x', '/away', '/old/', '*', '')),
  query: fc.option(fc.oneof(fc.webQueryParameters(), fc.string()), { nil: undefined }),
  authority: fc.oneof(fc.webAuthority(), fc.string()),
  scheme: fc.constantFrom('http' as const, 'https' as const),
  values: fc.dictionary(
    fc.constantFrom('origin', 'x-tester', 'access-control-request-method'),
    fc.string(),
  ),
})

/**
 * HTTPRoutes with a few members changed, and any request: nothing throws, and nothing that goes
 * onto the wire has a line end that was not in the request's own head.
 */
export const property = fc.property(
  fc.constantFrom(...seeds),
  mutations,
  heads,
  (seed, changes, { values, ...rest }) => {
    const mutated = mutate(seed, changes)
    const objects = (Array.isArray(mutated) ? (mutated as unknown[]) : [mutated]).filter(
      (one): one is object => typeof one === 'object' && one !== null,
    )
    const services = new Map(
      seed
        .filter((one) => (one as { kind?: unknown }).kind === 'Service')
        .map((one) => readService(readFields(one, '', () => {})))
        .map((facts) => [`${facts.namespace}/${facts.name}`, facts]),
    )
    const routes = objects.map((object) =>
      compileRoute(readHttpRoute(object), { services, clusterDomain: 'cluster.local' }),
    )
    const head = { ...rest, header: (name: string) => values[name] }
    const own = JSON.stringify([rest, values])
    const draw = createDraw(() => 0)
    for (const key of new Set(routes.flatMap(({ targets }) => targets.map((one) => one.service)))) {
      for (const table of mergeRoutes(key, routes)?.tables ?? []) {
        const decision = route(createTable(table), head, draw)
        const edits =
          decision.action === 'respond'
            ? decision.headers
            : [...decision.requestEdits.set, ...decision.responseEdits.add]
        if (/\\[rn]/.test(own)) continue
        assert.ok(edits.every(({ name, value }) => !/[\r\n]/.test(name + value)))
      }
    }
  },
)
