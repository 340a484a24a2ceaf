// Routes on their way from the store to the workers that use their service.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { ServiceRoutes } from '../../../../src/model/http-routes.ts'
import {
  type Resource,
  resourceName,
  type Service,
  type Workload,
} from '../../../../src/model/resources.ts'
import type { ConfigStore, StoreChange } from '../../../../src/nodeproxy/config/interfaces.ts'
import { createNodeTables } from '../../../../src/nodeproxy/config/node-tables.ts'
import type { ToWorker } from '../../../../src/nodeproxy/lifecycle/worker-messages.ts'
import { createPublisher } from '../../../../src/nodeproxy/upstream/publisher.ts'
import { network, service, viewOf, workload } from '../l4/support.ts'
import { rule } from '../route/builders.ts'

const vip = '10.96.0.1'
const backend = workload('w', '10.9.0.1')
const shop = service('shop', vip, [backend])
const other = service('other', '10.96.0.9', [])

function backendOf(name: string): Service {
  return { ...service(name, '', [backend]), addresses: [], addressesOmitted: true }
}

function routesTo(...names: readonly string[]): ServiceRoutes {
  const backends = names.map((name) => ({ service: backendOf(name).key, port: 80, weight: 1 }))
  return {
    type: 'routes',
    service: shop.key,
    tables: [{ port: 80, clients: '', rules: [rule('a', { backends })] }],
  }
}

/** A store that the test changes, two workers, and what each is told, in words. */
function world(resources: readonly Resource[]) {
  const tables = createNodeTables()
  tables.apply({ upserts: resources, removals: [] })
  const listeners: ((change: StoreChange) => void)[] = []
  const store = {
    network,
    tables,
    resolve: () => ({ state: 'known' }),
    onChange(listener: (change: StoreChange) => void) {
      listeners.push(listener)
      return () => {}
    },
  } as unknown as ConfigStore
  const told: string[][] = [[], []]
  const workers = told.map((lines) => (message: ToWorker) => void lines.push(wordsOf(message)))
  const publisher = createPublisher({ store, workers, node: 'node1', zone: () => '' })
  return {
    publisher,
    take: (worker = 0) => told[worker]?.splice(0) ?? [],
    change: (upserts: readonly Resource[], gone: readonly Resource[] = []) => {
      const removals = gone.map(resourceName)
      const services = tables.apply({ upserts, removals })
      for (const listener of listeners) listener({ upserts, removals, services, resolved: [] })
    },
  }
}

function wordsOf(message: ToWorker): string {
  switch (message.kind) {
    case 'service':
      return `${message.view === undefined ? 'no ' : ''}service ${nameOf(message.key)}`
    case 'routes':
      return `${message.routes === undefined ? 'no ' : ''}routes ${nameOf(message.service)}`
    default:
      return message.kind
  }
}

const nameOf = (key: string) => key.replace(/^.*\/(\w+)\..*$/u, '$1')
const ofRoutes = (lines: readonly string[]) =>
  lines.filter((line) => !['workload', 'serviceName'].includes(line))

test('backends before routes, and both before the address', () => {
  const { publisher, take } = world([backend, shop, backendOf('v1'), routesTo('v1')])
  publisher.ask(0, vip, '')
  assert.deepEqual(ofRoutes(take()), ['service shop', 'service v1', 'routes shop', 'address'])
  assert.deepEqual(take(1), [], 'the other worker has asked for nothing')
})

test('routes that come, change and go reach those that use the service, and no others', () => {
  const { publisher, take, change } = world([backend, shop, other])
  publisher.ask(0, vip, '')
  publisher.ask(1, '10.96.0.9', '')
  assert.deepEqual(ofRoutes(take()), ['service shop', 'address'])
  take(1)
  const [v1, v2] = [backendOf('v1'), backendOf('v2')]
  change([v1, routesTo('v1')])
  assert.deepEqual(ofRoutes(take()), ['service v1', 'routes shop'])
  change([v2, routesTo('v1', 'v2')])
  assert.deepEqual(ofRoutes(take()), ['service v2', 'routes shop'])
  change([v1])
  assert.deepEqual(ofRoutes(take()), ['service v1'])
  change([], [routesTo('v1'), v1, v2])
  assert.deepEqual(ofRoutes(take()).sort(), ['no routes shop', 'no service v1', 'no service v2'])
  assert.deepEqual(take(1), [])
})

test('a backend of which only the name is left goes after the routes that led there', () => {
  const { publisher, take, change } = world([backend, shop, backendOf('v1'), routesTo('v1')])
  publisher.ask(0, vip, '')
  take()
  const name = { ...backendOf('v1'), endpoints: [], endpointsOmitted: true }
  change([name, backendOf('v2'), routesTo('v2')])
  assert.deepEqual(ofRoutes(take()), ['service v2', 'routes shop', 'no service v1'])
})

test('what routes lead to stays as long as their service is in use', () => {
  const { publisher, take, change } = world([backend, shop, backendOf('v1'), routesTo('v1')])
  publisher.ask(0, vip, '')
  take()
  publisher.sweep()
  assert.deepEqual(take(), [])
  change([], [shop])
  take()
  publisher.sweep()
  assert.deepEqual(ofRoutes(take()).sort(), ['no routes shop', 'no service v1'])
})

test('a backend without addresses has its endpoints, of whichever family', () => {
  const six = workload('six', 'fd00::1')
  const bare = { addresses: [], addressesOmitted: true }
  const familiesOf = (endpoints: readonly Workload[]) =>
    viewOf(
      { ...service('v1', '', endpoints), ...bare },
      { node: 'node1', zone: '' },
      endpoints,
    ).ports.map(({ family, refusal }) => [family, refusal?.kind])
  assert.deepEqual(familiesOf([six]), [[6, undefined]])
  assert.deepEqual(familiesOf([backend, six]), [
    [4, undefined],
    [6, undefined],
  ])
  assert.deepEqual(familiesOf([]), [[4, 'noEndpoints']])
})
