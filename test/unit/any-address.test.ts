import assert from 'node:assert/strict'
import test from 'node:test'
import { anyAddress } from '../../src/any-address.ts'

test('all addresses are those of the families that the kernel has', () => {
  const [without, withIpv6] = ['/proc/net/there-is-no-such-file', '/proc/self/stat']
  assert.equal(anyAddress('::', withIpv6), '::')
  assert.equal(anyAddress('::', without), '0.0.0.0')
})

test('an address that somebody chose stays', () => {
  for (const host of ['127.0.0.1', '::1', '0.0.0.0', '2001:db8::1']) {
    assert.equal(anyAddress(host, '/proc/net/there-is-no-such-file'), host)
  }
})
