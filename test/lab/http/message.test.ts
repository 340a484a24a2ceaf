// The engine's reading of HTTP/1.1 against that of llhttp, which Node carries. `npm run fuzz --
// http-message` does the same for longer.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { MessageError } from '../../../src/nodeproxy/io/protocol.ts'
import { loadNative } from '../../../src/nodeproxy/native.ts'
import { property } from '../../fuzz/http-message.fuzz.ts'
import { readByLlhttp } from '../../fuzz/support/llhttp.ts'

const native = loadNative()

test('what the engine takes for a message, llhttp takes for the same one', () => {
  fc.assert(property, { numRuns: process.env['SLUICE_SOAK'] === '1' ? 1_000_000 : 20_000 })
})

const post = (fields: string, body = ''): string =>
  `POST / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n${body}`

test('where the engine is stricter than llhttp, it is on purpose', () => {
  for (const [text, error] of [
    ['GET / HTTP/1.1\r\n\r\n', MessageError.hostMissing],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', MessageError.hostRepeated],
    ['GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', MessageError.hostInvalid],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n', MessageError.folded],
    ['GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n', MessageError.target],
    [post('Content-Length: 1\r\nTransfer-Encoding: chunked'), MessageError.lengthAndCoding],
    [post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'), MessageError.transferCoding],
    [
      post('Transfer-Encoding: chunked', '1;a\u00e9\r\nx\r\n0\r\n\r\n'),
      MessageError.chunkExtension,
    ],
    [post('Transfer-Encoding: chunked', '0\r\nHost: a\r\n\r\n'), MessageError.trailer],
  ] as const) {
    const bytes = Buffer.from(text, 'latin1')
    assert.equal(native.httpReadMessage(bytes, false).error, error, JSON.stringify(text))
  }
})

test('llhttp itself is compared in its strict mode', () => {
  const both = Buffer.from(post('Content-Length: 1\r\nTransfer-Encoding: chunked'))
  assert.equal(readByLlhttp(both, false), undefined)
  const bare = Buffer.from('GET / HTTP/1.1\nHost: a\n\n')
  assert.equal(readByLlhttp(bare, false), undefined)
  assert.equal(readByLlhttp(Buffer.from(post('X: y')), false)?.complete, true)
})
