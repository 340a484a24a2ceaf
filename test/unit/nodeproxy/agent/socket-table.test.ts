import assert from 'node:assert/strict'
import test from 'node:test'
import { openConnections, parseLine } from '../../../../src/nodeproxy/agent/socket-table.ts'

const rest = '00000000:00000000 00:00000000 00000000     0        0 1 1 0'
const line = (local: string, remote: string, state: string): string =>
  `   0: ${local} ${remote} ${state} ${rest}`

test('established, half-open and half-closed connections count', () => {
  for (const state of ['01', '02', '03', '04', '05', '08']) {
    const text = line('0100010A:1F90', '0200010A:C350', state)
    assert.equal(parseLine(text), '0100010A:1F90 0200010A:C350', state)
  }
})

test('listeners, TIME_WAIT and closed ones do not', () => {
  for (const state of ['0A', '06', '07']) {
    assert.equal(parseLine(line('0100010A:1F90', '0200010A:C350', state)), undefined, state)
  }
})

test('loopback does not, in any of its three forms', () => {
  for (const remote of [
    '0100007F:1F90',
    '0000000000000000FFFF00000100007F:1F90',
    '00000000000000000000000001000000:1F90',
  ]) {
    assert.equal(parseLine(line(remote, remote, '01')), undefined, remote)
  }
})

test('a process that is gone has none', () => {
  assert.equal(openConnections('/proc', 0).size, 0)
})
