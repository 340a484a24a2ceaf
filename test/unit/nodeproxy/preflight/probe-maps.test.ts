import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { addressBytes, probeSlots } from '../../../../src/nodeproxy/preflight/probe-maps.ts'
import { addresses } from '../../../../src/nodeproxy/preflight/probes/places.ts'

test('slots are those of bpf/probe/probe.h, in its order', () => {
  const header = readFileSync(join(import.meta.dirname, '../../../../bpf/probe/probe.h'), 'utf8')
  const [, body = ''] = /enum probe_slot \{(.*?)\n\};/s.exec(header) ?? []
  const names = [...body.matchAll(/^\tPROBE_(\w+),/gm)].map(([, name = '']) =>
    name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
  )
  assert.deepEqual(names, [...probeSlots, 'slots'])
})

test('addresses are written as the programs read them', () => {
  const hex = (address: string): string => Buffer.from(addressBytes(address)).toString('hex')
  assert.equal(hex('198.18.0.1'), '000000000000000000000000c6120001')
  assert.equal(hex('fd73:6c75:6963::9'), 'fd736c75696300000000000000000009')
  assert.equal(hex('::1'), '00000000000000000000000000000001')
})

test('the probes play where nothing real lives', () => {
  const reserved = new BlockList()
  reserved.addSubnet('198.18.0.0', 15, 'ipv4') // RFC 2544
  reserved.addSubnet('fc00::', 7, 'ipv6') // RFC 4193
  for (const { pod, service } of [addresses[4], addresses[6]]) {
    for (const address of [pod, service]) {
      assert.ok(reserved.check(address, address.includes(':') ? 'ipv6' : 'ipv4'), address)
    }
  }
})
