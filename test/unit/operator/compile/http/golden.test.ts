// Pairs test/golden/routes/x.in.yaml (Services and HTTPRoutes) and x.out.yaml (what nodes are sent,
// and what is told on the routes). UPDATE_GOLDEN=1 writes what came out; read the difference.
import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { parse, stringify } from 'yaml'
import { readFields } from '../../../../../src/model/fields.ts'
import {
  compileRoute,
  mergeRoutes,
} from '../../../../../src/operator/compile/http/compile-routes.ts'
import { readHttpRoute } from '../../../../../src/operator/compile/http/read-http-route.ts'
import { serviceKey } from '../../../../../src/operator/compile/http/resolve-rule.ts'
import { loadYaml } from '../../../../../src/operator/compile/load-yaml.ts'
import { readService } from '../../../../../src/operator/compile/read-service.ts'

const folder = join(import.meta.dirname, '../../../../golden/routes')
const clusterDomain = 'cluster.local'
const inputs = globSync('*.in.yaml', { cwd: folder }).sort()

function compileFile(file: string) {
  const loaded = loadYaml(readFileSync(join(folder, file), 'utf8'), file)
  assert.deepEqual(loaded.errors, [])
  const ofKind = (kind: string) =>
    loaded.objects.filter((object) => (object as { kind?: string }).kind === kind)
  const services = new Map(
    ofKind('Service').map((object) => {
      const facts = readService(
        readFields(object, '', (error) => assert.fail(`${error.field} ${error.message}`)),
      )
      return [`${facts.namespace}/${facts.name}`, facts]
    }),
  )
  const around = { services, clusterDomain }
  const routes = ofKind('HTTPRoute').map((object) =>
    compileRoute(readHttpRoute(object as object), around),
  )
  return {
    routes: [...services.values()].flatMap(
      (service) => mergeRoutes(serviceKey(service, clusterDomain), routes) ?? [],
    ),
    status: routes.map(({ status }) => status),
  }
}

test('there are golden pairs', () => {
  assert.ok(inputs.length >= 6, `found ${inputs.length} in ${folder}`)
})

for (const input of inputs) {
  const name = input.slice(0, -'.in.yaml'.length)
  test(`compiles ${name}`, () => {
    const actual = compileFile(input)
    const output = join(folder, `${name}.out.yaml`)
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(output, stringify(actual, { aliasDuplicateObjects: false, lineWidth: 0 }))
    }
    assert.deepEqual(JSON.parse(JSON.stringify(actual)), parse(readFileSync(output, 'utf8')))
  })
}
