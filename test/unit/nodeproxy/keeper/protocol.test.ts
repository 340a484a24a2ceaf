// The two halves of the keeper's protocol are the same, number by number.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import * as protocol from '../../../../src/nodeproxy/keeper/protocol.ts'

const header = readFileSync(
  join(import.meta.dirname, '../../../../native/keeper/protocol.h'),
  'utf8',
)

/** `constexpr int kSomeName = 80 * 1024;` as SOME_NAME: 81920. */
function constants(): ReadonlyMap<string, number> {
  const found = header.matchAll(/^constexpr int k(\w+) = ([-\w* ]+);/gm)
  return new Map(
    Array.from(found, ([, name = '', value = '']) => [
      name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase(),
      value.split('*').reduce((product, factor) => product * Number(factor), 1),
    ]),
  )
}

/** The entries of an enum, with the first letter of each in lower case. */
function enumeration(name: string, prefix: string): ReadonlyMap<string, number> {
  const body = new RegExp(`^enum ${name} : int \\{\\n([^}]*)\\};`, 'm').exec(header)?.[1] ?? ''
  const entries = body.matchAll(new RegExp(`^  ${prefix}(\\w)(\\w*) = (\\d+),`, 'gm'))
  return new Map(
    Array.from(entries, ([, first = '', rest = '', value]) => [
      first.toLowerCase() + rest,
      Number(value),
    ]),
  )
}

function structBytes(name: string): number {
  const found = new RegExp(`static_assert\\(sizeof\\(${name}\\) == (\\d+)\\)`).exec(header)
  return Number(found?.[1])
}

test('constants are the same', () => {
  const theirs = constants()
  const structs = new Set([
    'HEADER_BYTES',
    'HELLO_BYTES',
    'HELLO_REPLY_BYTES',
    'PATIENCE_BYTES',
    'POD_BYTES',
    'PAIR_BYTES',
  ])
  const ours = Object.entries(protocol).filter(
    ([name, value]) => typeof value === 'number' && !structs.has(name),
  )
  assert.ok(ours.length >= 8, `${ours.length} constants here`)
  for (const [name, value] of ours) assert.equal(value, theirs.get(name), name)
})

test('messages are the same', () => {
  const theirs = enumeration('KeeperMessage', 'kMessage')
  assert.deepEqual(new Map(Object.entries(protocol.KeeperMessage)), theirs)
})

test('counters have the same order', () => {
  const theirs = enumeration('KeeperStat', 'kStat')
  const ours = protocol.keeperStats.map((name, index) => [name, index] as const)
  assert.deepEqual(new Map([...ours, ['count', ours.length]]), theirs)
})

test('structs have the same sizes', () => {
  const { HEADER_BYTES, HELLO_BYTES, HELLO_REPLY_BYTES, PATIENCE_BYTES } = protocol
  const { POD_BYTES, PAIR_BYTES } = protocol
  assert.equal(structBytes('KeeperHeader'), HEADER_BYTES)
  assert.equal(structBytes('KeeperHello'), HELLO_BYTES)
  assert.equal(structBytes('KeeperHelloReply'), HELLO_REPLY_BYTES)
  assert.equal(structBytes('KeeperPatience'), PATIENCE_BYTES)
  assert.equal(structBytes('KeeperPod'), POD_BYTES)
  assert.equal(structBytes('KeeperPair'), PAIR_BYTES)
})
