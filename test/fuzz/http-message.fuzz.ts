import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type HttpReading, loadNative } from '../../src/nodeproxy/native.ts'
import { message } from './support/http-messages.ts'
import { knowsMethod, readByLlhttp } from './support/llhttp.ts'

const native = loadNative()

/**
 * What the engine takes for a message, llhttp takes for the same one: head, body, and where it
 * ends. And what the engine passes on is read by both as what it was.
 */
export const property = fc.property(message, ({ text, response }) => {
  const bytes = Buffer.from(text, 'latin1')
  const ours = native.httpReadMessage(bytes, response)
  if (ours.error !== 0) return
  compare(bytes, response, ours)
  const rest = bytes.subarray((ours.length ?? 0) - framedLength(bytes, ours), ours.length)
  const passedOn = Buffer.concat([ours.forwarded ?? Buffer.alloc(0), rest])
  const again = native.httpReadMessage(passedOn, response)
  assert.equal(again.error, 0, 'what goes on is bad')
  const { method, status, body, complete } = ours
  assert.deepEqual(
    [again.method, again.status, again.body, again.complete],
    [method, status, body, complete],
  )
  compare(passedOn, response, again)
})

/** Bytes of the body as it came, with its framing. */
function framedLength(bytes: Buffer, { length = 0 }: HttpReading): number {
  const start = bytes.subarray(0, 2).equals(Buffer.from('\r\n')) ? 2 : 0
  return length - (bytes.indexOf('\r\n\r\n', start, 'latin1') + 4)
}

function compare(bytes: Buffer, response: boolean, ours: HttpReading): void {
  const { method = '', target = '', status = 0, fields = [], body = Buffer.alloc(0) } = ours
  // Tokens like any other to us.
  if (!response && !knowsMethod(method)) return
  const theirs = readByLlhttp(bytes.subarray(0, ours.length), response)
  assert.ok(theirs !== undefined, 'llhttp finds no head')
  // What is not whole may be refused by both, by one of them at an earlier byte.
  if (ours.complete === false && theirs.error !== undefined) return
  assert.equal(theirs.error, undefined)
  if (response) assert.equal(theirs.status, status)
  else assert.equal(theirs.method, method)
  assert.ok(theirs.target.endsWith(target))
  assert.deepEqual(theirs.fields, fields)
  // Behind these come bytes of another protocol.
  if (method === 'CONNECT' || status === 101 || upgrades(fields)) return
  assert.deepEqual(theirs.body, Buffer.from(body))
  assert.equal(theirs.complete, ours.complete)
}

function upgrades(fields: readonly string[]): boolean {
  return fields.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'upgrade')
}
