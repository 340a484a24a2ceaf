// Both rings from TypeScript's side, with a plain model in the reactor's place.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  type CommandWriter,
  createBegin,
  createCommandWriter,
} from '../../../src/nodeproxy/io/command-writer.ts'
import { createEventReader } from '../../../src/nodeproxy/io/event-reader.ts'
import type { EventHandlers } from '../../../src/nodeproxy/io/events.ts'
import { Command, Event, RING_HEADER_WORDS } from '../../../src/nodeproxy/io/protocol.ts'
import { createRing, type Ring, RingHeader, usedWords } from '../../../src/nodeproxy/io/ring.ts'

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
/** Also where the counters are about to pass 2^31 and 2^32. */
const start = fc.oneof(
  int32,
  fc.integer({ min: -100, max: 100 }),
  fc.integer({ min: 2 ** 31 - 100, max: 2 ** 31 - 1 }),
)

function ringAt(capacityWords: number, at: number): Ring {
  const ring = createRing(capacityWords)
  ring.words[RingHeader.head] = at
  ring.words[RingHeader.tail] = at
  return ring
}

/**
 * What the reactor would read: [type, ...payload] of every record but PAD. Fails when one wraps.
 */
function takeAll(ring: Ring): number[][] {
  const taken: number[][] = []
  const { words, capacityWords } = ring
  while (usedWords(words) > 0) {
    const head = words[RingHeader.head] ?? 0
    const position = head & (capacityWords - 1)
    const first = words[RING_HEADER_WORDS + position] ?? 0
    const length = first >>> 8
    assert.ok(length > 0 && length <= usedWords(words), `length ${length}`)
    assert.ok(position + length <= capacityWords, 'a record wraps')
    const from = RING_HEADER_WORDS + position
    const type = first & 0xff
    if (type !== Command.pad) taken.push([type, ...words.subarray(from + 1, from + length)])
    words[RingHeader.head] = (head + length) | 0
  }
  return taken
}

const address = fc.tuple(int32, int32, int32, int32)

/** A command, and the record that it must become. */
interface WrittenCommand {
  readonly write: (to: CommandWriter) => void
  readonly record: readonly number[]
}

const commands: fc.Arbitrary<WrittenCommand> = fc.oneof(
  fc.tuple(int32, int32).map(([conn, how]) => ({
    write: (to: CommandWriter) => to.close(conn, how),
    record: [Command.close, conn, how],
  })),
  fc.tuple(int32, int32, int32).map(([conn, first, second]) => ({
    write: (to: CommandWriter) => to.pair(conn, first, second),
    record: [Command.pair, conn, first, second],
  })),
  fc.constant<WrittenCommand>({ write: (to) => to.drain(), record: [Command.drain] }),
  fc.tuple(int32, address, address, address).map(([conn, source, destination, client]) => ({
    write: (to: CommandWriter) =>
      to.connect({
        conn,
        attempt: 2,
        netns: 3,
        source,
        destination,
        destinationPort: 80,
        timeoutMs: 5_000,
        client,
        clientPort: 40_000,
        legFlags: 1,
      }),
    record: [
      Command.connect,
      conn,
      2,
      3,
      0,
      ...source,
      ...destination,
      80,
      5_000,
      ...client,
      40_000,
      1,
    ],
  })),
)

test('commands come out as they went in, at any position, none is lost when full', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 200 }), start, (written, at) => {
      const ring = ringAt(128, at)
      const read: number[][] = []
      const writer = createCommandWriter(
        ring,
        createBegin(ring, () => void read.push(...takeAll(ring))),
      )
      for (const { write } of written) write(writer)
      read.push(...takeAll(ring))
      assert.deepEqual(
        read,
        written.map(({ record }) => record),
      )
    }),
  )
})

test('a reactor that takes nothing makes the writer throw, not overwrite', () => {
  const ring = createRing(128)
  const writer = createCommandWriter(
    ring,
    createBegin(ring, () => undefined),
  )
  assert.throws(() => {
    for (let count = 0; count < 200; count += 1) writer.close(count, 0)
  }, /command ring: the reactor did not take the commands/u)
  assert.deepEqual(takeAll(ring)[0], [Command.close, 0, 0])
})

/** As the reactor appends: padding where a record would wrap. */
function append(ring: Ring, record: readonly number[]): void {
  const { words, capacityWords } = ring
  let tail = words[RingHeader.tail] ?? 0
  const toEnd = capacityWords - (tail & (capacityWords - 1))
  if (toEnd < record.length) {
    words[RING_HEADER_WORDS + (tail & (capacityWords - 1))] = Event.pad | (toEnd << 8)
    tail = (tail + toEnd) | 0
  }
  const [type = 0, ...payload] = record
  const from = RING_HEADER_WORDS + (tail & (capacityWords - 1))
  words[from] = type | (record.length << 8)
  words.set(payload, from + 1)
  words[RingHeader.tail] = (tail + record.length) | 0
}

function recorder(into: unknown[]): EventHandlers {
  const copy = (name: string) => (event: unknown) => void into.push([name, structuredClone(event)])
  return {
    onAccept: copy('accept'),
    onConnected: copy('connected'),
    onConnectFailed: copy('connectFailed'),
    onDone: copy('done'),
    onTimer: copy('timer'),
    onListener: copy('listener'),
    onPaired: copy('paired'),
    onNetnsFailed: copy('netnsFailed'),
  }
}

const halves = fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2 ** 21 - 1 }))
const wide = ([low, high]: readonly [number, number]): number => low + high * 2 ** 32

/** An event's record, and what its handler must get. */
const events = fc.oneof(
  int32.map((timer) => ({ record: [Event.timer, timer], told: ['timer', timer] })),
  fc.tuple(int32, int32, halves).map(([conn, attempt, cookie]) => ({
    record: [Event.connected, conn, attempt, 7, 40_000, ...cookie],
    told: [
      'connected',
      { conn, attempt, connectUs: 7, localPort: 40_000, legCookie: wide(cookie) },
    ],
  })),
  fc.tuple(int32, halves, halves, halves).map(([conn, received, sent, direct]) => ({
    record: [Event.done, conn, 1, 104, ...received, ...sent, 9, 0, ...direct, 3, 0, -1],
    told: [
      'done',
      {
        conn,
        reason: 1,
        errno: 104,
        receivedBytes: wide(received),
        sentBytes: wide(sent),
        durationUs: 9,
        directToServerBytes: wide(direct),
        directToClientBytes: 3,
        firstByteUs: -1,
      },
    ],
  })),
  fc.tuple(int32, address, address, address, halves).map(([conn, peer, local, origin, cookie]) => ({
    record: [
      Event.accept,
      conn,
      2,
      1,
      8,
      5,
      ...peer,
      1,
      ...local,
      2,
      ...origin,
      3,
      ...cookie,
      4,
      0,
    ],
    told: [
      'accept',
      {
        conn,
        listener: 2,
        flags: 1,
        originFlags: 8,
        pod: 5,
        peer: Int32Array.from(peer),
        peerPort: 1,
        local: Int32Array.from(local),
        localPort: 2,
        origin: Int32Array.from(origin),
        originPort: 3,
        clientCookie: wide(cookie),
        legCookie: 4,
      },
    ],
  })),
)

test('events reach their handlers decoded and in order, whatever the position in the ring', () => {
  fc.assert(
    fc.property(fc.array(events, { maxLength: 100 }), start, (list, at) => {
      const ring = ringAt(128, at)
      const told: unknown[] = []
      const read = createEventReader(ring, recorder(told))
      for (const { record } of list) {
        append(ring, record)
        if (usedWords(ring.words) > 64) read()
      }
      read()
      assert.deepEqual(
        told,
        list.map(({ told: expected }) => expected),
      )
      assert.equal(usedWords(ring.words), 0)
    }),
  )
})

test('a handler that throws loses its own event and no other', () => {
  const ring = createRing(128)
  const told: unknown[] = []
  const handlers = recorder(told)
  let first = true
  const read = createEventReader(ring, {
    ...handlers,
    onTimer(timer) {
      if (first) {
        first = false
        throw new Error('the handler failed')
      }
      handlers.onTimer(timer)
    },
  })
  for (const timer of [1, 2, 3]) append(ring, [Event.timer, timer])
  assert.throws(read, /the handler failed/u)
  read()
  assert.deepEqual(told, [
    ['timer', 2],
    ['timer', 3],
  ])
})

test('a record of an unknown type is an error that names the fix', () => {
  const ring = createRing(128)
  append(ring, [99, 0])
  assert.throws(createEventReader(ring, recorder([])), /type 99.*npm run build/u)
})

test('a ring has a capacity that both sides can mask with', () => {
  for (const capacity of [0, 64, 100, 129, 1000]) {
    assert.throws(() => createRing(capacity), RangeError, String(capacity))
  }
})
