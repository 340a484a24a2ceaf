import assert from 'node:assert/strict'
import test from 'node:test'
import { checkAddresses, isPodAddress } from '../../../../src/nodeproxy/agent/addresses.ts'

const nobody = (): undefined => undefined
const inside = ['127.0.0.1', '::1', 'fe80::1', '10.0.0.5', 'fd00::5']

test('listed addresses that are in the namespace are taken, one a family', () => {
  assert.deepEqual(checkAddresses(['10.0.0.5'], inside, nobody), {
    ok: true,
    addresses: { ipv4: '10.0.0.5' },
  })
  assert.deepEqual(checkAddresses(['fd00::5', '10.0.0.5'], inside, nobody), {
    ok: true,
    addresses: { ipv4: '10.0.0.5', ipv6: 'fd00::5' },
  })
})

test('a listed address that is not in the namespace is refused, and named', () => {
  const check = checkAddresses(['10.0.0.5', '10.0.0.6'], inside, nobody)
  assert.ok(!check.ok && /10\.0\.0\.6/u.test(check.reason))
})

test('while none is listed, those inside are taken, never loopback or link-local ones', () => {
  assert.deepEqual(checkAddresses([], inside, nobody), {
    ok: true,
    addresses: { ipv4: '10.0.0.5', ipv6: 'fd00::5' },
  })
  assert.equal(checkAddresses([], ['127.0.0.1', '::1', 'fe80::9'], nobody).ok, false)
  assert.equal(isPodAddress('169.254.1.1'), false)
})

test("a pod that gives itself another pod's address does not get it", () => {
  const check = checkAddresses([], inside, (address) =>
    address === 'fd00::5' ? 'pod-b' : undefined,
  )
  assert.ok(!check.ok && /pod-b/u.test(check.reason))
})
