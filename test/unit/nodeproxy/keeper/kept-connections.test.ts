import assert from 'node:assert/strict'
import test from 'node:test'
import { pino } from 'pino'
import type { KeptPair } from '../../../../src/nodeproxy/keeper/codec.ts'
import { keepConnections } from '../../../../src/nodeproxy/keeper/kept-connections.ts'

test('what the keeper would not have is named once, when it has answered to all', async () => {
  const answer = Promise.withResolvers<void>()
  const dropped: bigint[] = []
  const left: (readonly bigint[])[] = []
  const kept = keepConnections(
    {
      async putPair({ clientLegCookie }) {
        await answer.promise
        if (clientLegCookie === 2n) throw new Error('it has enough')
      },
      async dropPair(cookie) {
        dropped.push(cookie)
        return true
      },
      async letGo(cookies) {
        left.push(cookies)
      },
    },
    { logger: pino({ level: 'silent' }) },
  )
  kept.tell({ pairs: [pair(1n), pair(2n)], endedPairs: [3n], leftPairs: [4n, 5n] })
  const refused = kept.refused()
  answer.resolve()
  assert.deepEqual(await refused, [2n])
  assert.deepEqual(await kept.refused(), [])
  assert.deepEqual(dropped, [3n])
  assert.deepEqual(left, [[4n, 5n]])
})

function pair(clientLegCookie: bigint): KeptPair {
  return {
    clientLegCookie,
    serverLegCookie: 0n,
    clientAppCookie: 0n,
    serverAppCookie: 0n,
    slotToServer: -1,
    slotToClient: -1,
    clientLegFd: -1,
    serverLegFd: -1,
  }
}
