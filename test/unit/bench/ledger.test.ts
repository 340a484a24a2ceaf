import assert from 'node:assert/strict'
import test from 'node:test'
import { createLedger } from '../../../bench/control/ledger.ts'

test('a change lasts until the last of its nodes has it', () => {
  const ledger = createLedger()
  ledger.begin(7, 0, [1, 2], 1_000_000)
  ledger.acknowledge([7, 0, 1, 3_000_000])
  assert.equal(ledger.open, 1)
  ledger.acknowledge([7, 0, 2, 9_000_000])
  assert.equal(ledger.open, 0)
  assert.deepEqual(ledger.durations, [{ nodes: 2, ms: 8 }])
})

test('a state that came in place of an earlier one acknowledges both', () => {
  const ledger = createLedger()
  ledger.begin(7, 0, [1], 0)
  ledger.begin(7, 1, [1], 1_000_000)
  ledger.acknowledge([7, 1, 1, 5_000_000])
  assert.deepEqual(
    ledger.durations.map(({ ms }) => ms),
    [5, 4],
  )
})

test('what nobody was to be sent is counted', () => {
  const ledger = createLedger()
  ledger.begin(7, 0, [1], 0)
  ledger.acknowledge([7, 0, 2, 1])
  ledger.acknowledge([8, 0, 1, 1])
  assert.equal(ledger.unexpected, 2)
  assert.equal(ledger.open, 1)
})
