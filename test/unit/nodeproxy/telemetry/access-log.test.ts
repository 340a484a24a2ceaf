import assert from 'node:assert/strict'
import test from 'node:test'
import { createAccessLog } from '../../../../src/nodeproxy/telemetry/access-log.ts'
import { observeConnections, reportersOf } from '../../../../src/nodeproxy/telemetry/connections.ts'
import { createAccumulator } from '../../../../src/nodeproxy/telemetry/accumulator.ts'
import type { Connection } from '../../../../src/nodeproxy/l4/connection.ts'
import type { Ended } from '../../../../src/nodeproxy/l4/events.ts'
import { DoneReason } from '../../../../src/nodeproxy/io/protocol.ts'
import { refuse } from '../../../../src/nodeproxy/policy/refusal.ts'
import { pod, workload } from '../l4/support.ts'

const ended: Ended = {
  conn: 1,
  reason: DoneReason.closed,
  errno: 0,
  receivedBytes: 10,
  sentBytes: 2_000,
  pairedBytes: 1_500,
  durationUs: 1_234,
  firstByteUs: 200,
}

function connection(changes: Partial<Connection> = {}): Connection {
  return {
    id: 1,
    direction: 'outbound',
    pod: pod(1, '10.0.0.1'),
    peer: { address: '10.0.0.1', port: 40_000 },
    asked: { address: '10.96.0.10', port: 80 },
    originFlags: 0,
    clientCookie: 0,
    clientLegCookie: 0,
    serverLegCookie: 0,
    source: workload('shop', '10.0.0.1'),
    sourcePending: false,
    destination: workload('cart', '10.0.0.2'),
    service: { key: 'ns/cart', namespace: 'ns', name: 'cart', hostname: 'cart.ns.svc' },
    balancer: undefined,
    target: undefined,
    endpoint: { key: '10.0.0.2/8080', address: '10.0.0.2', port: 8080, workload: '' },
    localPod: undefined,
    external: false,
    http: false,
    outside: false,
    attempts: 1,
    tried: { keys: [], silentNodes: [] },
    refusal: undefined,
    connected: true,
    openedTold: true,
    labelsKey: undefined,
    countedReceived: 0,
    countedSent: 0,
    slots: undefined,
    ended: undefined,
    ...changes,
  }
}

function logger(
  sample: number,
  random = 0.5,
): { lines: string[]; log: ReturnType<typeof createAccessLog> } {
  const lines: string[] = []
  const write = (line: string): void => void lines.push(line)
  const log = createAccessLog({ write, sample: () => sample, random: () => random, node: 'node1' })
  return { lines, log }
}

test('one line of JSON a connection, with both ends, bytes, duration and flags', () => {
  const { lines, log } = logger(1)
  log(connection(), ended, '-')
  assert.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.equal(line['src.addr'], '10.0.0.1:40000')
  assert.equal(line['src.workload'], 'shop-deployment')
  assert.equal(line['dst.addr'], '10.96.0.10:80')
  assert.equal(line['dst.service'], 'cart.ns.svc')
  assert.equal(line.upstream, '10.0.0.2:8080')
  assert.deepEqual([line.bytes_sent, line.bytes_recv, line.bytes_paired], [10, 2_000, 1_500])
  assert.equal(line.duration_us, 1_234)
  assert.equal(line.flags, '-')
  assert.equal(line.level, 30)
})

test('inbound lines have the bytes from the server side', () => {
  const { lines, log } = logger(1)
  log(connection({ direction: 'inbound' }), ended, '-')
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual([line.bytes_sent, line.bytes_recv], [2_000, 10])
})

test('a refusal is told with its reason and detail, as a warning', () => {
  const { lines, log } = logger(1)
  log(
    connection({ refusal: refuse('connectFailed', '10.0.0.2 port 8080: ECONNREFUSED') }),
    ended,
    'UF',
  )
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.equal(line.flags, 'UF')
  assert.match(String(line.error), /could not be reached: 10\.0\.0\.2 port 8080: ECONNREFUSED/u)
  assert.equal(line.level, 40)
})

test('sampling spares orderly connections alone, and off is off', () => {
  const sampled = logger(0.4)
  sampled.log(connection(), ended, '-')
  assert.equal(sampled.lines.length, 0)
  sampled.log(connection(), ended, 'UC')
  assert.equal(sampled.lines.length, 1)
  const off = logger(0)
  off.log(connection(), ended, 'UC')
  assert.equal(off.lines.length, 0)
})

test('the proxy reports for both sides of a connection within its node, else for its own', () => {
  assert.deepEqual(reportersOf(connection()), ['source'])
  assert.deepEqual(reportersOf(connection({ direction: 'inbound' })), ['destination'])
  assert.deepEqual(reportersOf(connection({ localPod: pod(2, '10.0.0.2') })), [
    'source',
    'destination',
  ])
})

test('bytes of a long connection are counted while it is open, and not again at its end', () => {
  const accumulator = createAccumulator()
  const telemetry = observeConnections(accumulator, () => {}, { paired: () => {}, ended: () => {} })
  const one = connection()
  telemetry.progressed(one, 4, 900)
  telemetry.progressed(one, 4, 900)
  telemetry.progressed(one, 0, 0)
  const sums = (): readonly number[] => {
    const batch = accumulator.take()
    return [
      batch.reduce((sum, delta) => sum + delta.receivedBytes, 0),
      batch.reduce((sum, delta) => sum + delta.sentBytes, 0),
    ]
  }
  assert.deepEqual(sums(), [4, 900])
  telemetry.ended(one, ended)
  assert.deepEqual(sums(), [6, 1_100])
})

test('opened once without flags, closed with the flags it ended with, bytes in between', () => {
  const accumulator = createAccumulator()
  const telemetry = observeConnections(accumulator, () => {}, { paired: () => {}, ended: () => {} })
  const one = connection()
  telemetry.opened(one)
  telemetry.ended(one, { ...ended, reason: DoneReason.serverReset })
  const batch = accumulator.take()
  const totals = batch.map((delta) => [
    delta.labels.response_flags,
    delta.opened,
    delta.closed,
    delta.sentBytes,
    delta.receivedBytes,
  ])
  assert.deepEqual(totals, [
    ['-', 1, 0, 2_000, 10],
    ['UC', 0, 1, 0, 0],
  ])
  assert.deepEqual(accumulator.take(), [], 'a batch is handed over once')
  assert.equal(telemetry.totals.pairedBytes, 1_500)
})
