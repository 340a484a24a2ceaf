import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
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

test('a process that is gone has none', async () => {
  assert.equal((await openConnections('/proc', 0, 0)).size, 0)
})

/** A folder as /proc has it. */
function procWith(t: TestContext, inUse: number, tables: readonly (readonly string[])[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-proc-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const net = join(folder, '1', 'net')
  mkdirSync(net, { recursive: true })
  writeFileSync(join(net, 'sockstat'), `sockets: used 9\nTCP: inuse ${inUse - 1} orphan 0 tw 0\n`)
  writeFileSync(join(net, 'sockstat6'), 'TCP6: inuse 1\nUDP6: inuse 5\n')
  for (const [index, file] of ['tcp', 'tcp6'].entries()) {
    const lines = ['  sl  local_address remote_address', ...(tables[index] ?? [])]
    writeFileSync(join(net, file), `${lines.join('\n')}\n`)
  }
  return folder
}

test('tables are read to their end, however long', async (t) => {
  const many = Array.from({ length: 2_000 }, (_, index) =>
    line('0100010A:1F90', `0200010A:${index.toString(16).toUpperCase().padStart(4, '0')}`, '01'),
  )
  const proc = procWith(t, 5_000, [many, many.slice(0, 3)])
  assert.equal((await openConnections(proc, 1, 4)).size, 2_000)
  const few = procWith(t, 5, [many.slice(0, 2), many.slice(2, 5)])
  assert.equal((await openConnections(few, 1, 4)).size, 5)
})

test('they are not read where there are no more sockets than are known', async (t) => {
  const one = [line('0100010A:1F90', '0200010A:C350', '01')]
  assert.equal((await openConnections(procWith(t, 4, [one]), 1, 4)).size, 0)
  assert.equal((await openConnections(procWith(t, 5, [one]), 1, 4)).size, 1)
})
