import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { familyOf } from '../../../src/model/ip.ts'
import { type ServiceAsk, serviceEndpoints } from '../../../src/model/service-endpoints.ts'
import { address, nodeName, service as anyService } from './arbitrary.ts'
import { address as at, endpoint, service } from './builders.ts'

const ask: fc.Arbitrary<ServiceAsk> = fc.record({
  address,
  port: fc.constantFrom(80, 443),
  node: nodeName,
  zone: fc.constantFrom('', 'z0', 'z1'),
})

test('what is chosen has the port and the family, is usable, and each target is there once', () => {
  fc.assert(
    fc.property(anyService, ask, (chosenFrom, asked) => {
      const choice = serviceEndpoints(chosenFrom, asked)
      const candidates = chosenFrom.endpoints.filter(
        (each) =>
          each.ports[asked.port] !== undefined &&
          familyOf(each.address.ip) === familyOf(asked.address.ip),
      )
      const hasPort = chosenFrom.ports.some(({ port }) => port === asked.port)
      if (choice.kind === 'refused') {
        const usable = candidates.filter(
          ({ ready, serving, terminating }) =>
            ready || chosenFrom.publishNotReadyAddresses || (serving && terminating),
        )
        if (!hasPort) assert.equal(choice.reason, 'noSuchPort')
        else if (usable.length === 0) assert.equal(choice.reason, 'noEndpoints')
        else assert.equal(choice.reason, 'noLocalEndpoints')
        return
      }
      assert.ok(hasPort && choice.targets.length > 0)
      for (const target of choice.targets) {
        assert.ok(candidates.includes(target.endpoint))
        assert.equal(target.port, target.endpoint.ports[asked.port])
        assert.equal(target.address, target.endpoint.address)
      }
      const keys = choice.targets.map((target) => `${target.address.ip}/${target.port}`)
      assert.equal(new Set(keys).size, keys.length)
    }),
    { numRuns: 2000 },
  )
})

test('the order of endpoints decides nothing but the order of targets', () => {
  const mixed = anyService.chain((one) =>
    fc.tuple(
      fc.constant(one),
      fc.shuffledSubarray([...one.endpoints], { minLength: one.endpoints.length }),
    ),
  )
  const keysOf = (choice: ReturnType<typeof serviceEndpoints>) =>
    choice.kind === 'refused'
      ? choice.reason
      : new Set(choice.targets.map((target) => `${target.address.ip}/${target.port}`))
  fc.assert(
    fc.property(mixed, ask, ([one, endpoints], asked) => {
      const other = { ...one, endpoints }
      assert.deepEqual(keysOf(serviceEndpoints(other, asked)), keysOf(serviceEndpoints(one, asked)))
    }),
  )
})

test('affinity is kept for each port of a service by itself', () => {
  const web = service(
    'web',
    {
      addresses: ['10.96.0.1'],
      ports: [80, 443],
      endpoints: [endpoint('10.0.0.1', { ports: { 80: 1, 443: 2 } })],
    },
    { clientIpAffinitySeconds: 30 },
  )
  const affinityOf = (port: number) => {
    const choice = serviceEndpoints(web, { address: at('10.96.0.1'), port, node: 'n', zone: '' })
    return choice.kind === 'targets' ? choice.affinity : undefined
  }
  assert.deepEqual(affinityOf(80), { key: 'shop/web.shop.svc:80', timeoutSeconds: 30 })
  assert.notEqual(affinityOf(443)?.key, affinityOf(80)?.key)
})
