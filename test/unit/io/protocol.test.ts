// native/reactor/protocol.h and src/nodeproxy/io/protocol.ts are one protocol in two languages.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import * as protocol from '../../../src/nodeproxy/io/protocol.ts'

const header = readFileSync(
  join(import.meta.dirname, '../../../native/reactor/protocol.h'),
  'utf8',
).replaceAll(/\/\/.*$/gmu, '')

/** Name of a C++ enum -> its constants without their prefix, in TypeScript's spelling. */
function enumsOf(text: string): ReadonlyMap<string, Readonly<Record<string, number>>> {
  const found = [...text.matchAll(/enum (\w+) : int \{([^}]*)\}/gu)]
  return new Map(found.map(([, name = '', body = '']) => [name, constantsOf(body)]))
}

function constantsOf(body: string): Readonly<Record<string, number>> {
  const constants = [...body.matchAll(/k([A-Z][a-z]+)(\w+) =\s+(\d+),/gu)]
  return Object.fromEntries(
    constants.map(([, , rest = '', value]) => [
      rest.charAt(0).toLowerCase() + rest.slice(1),
      Number(value),
    ]),
  )
}

const { RING_HEADER_WORDS, ...tables } = protocol

test('the header of a ring has the same length on both sides', () => {
  const [, words] = /kRingHeaderWords = (\d+);/u.exec(header) ?? []
  assert.equal(Number(words), RING_HEADER_WORDS)
})

test('every enum of the header has its TypeScript half with the same names and numbers', () => {
  const enums = enumsOf(header)
  assert.deepEqual([...enums.keys()].sort(), Object.keys(tables).sort())
  for (const [name, constants] of enums) {
    assert.deepEqual(constants, { ...tables[name as keyof typeof tables] }, name)
  }
})
