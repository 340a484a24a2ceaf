import fc from 'fast-check'

const words = [
  ' ',
  ' ',
  '/',
  '/a?b',
  '*',
  'http://h/',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.1 200 OK',
  '\r\n',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  'Host: h',
  'Host:',
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Connection: close, x',
  'Connection: upgrade',
  'Upgrade: x',
  'X: y',
  ':',
  '\t',
  '\0',
  '\u0001',
  '\u007f',
  '\u00e9',
  ',',
  ';',
  ';a=b',
  ';a="b"',
  '#',
  '0',
  '5',
  'a',
  'F',
  '0x5',
  '+5',
  'hello',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '0\r\nA: b\r\n\r\n',
  '[::1]:80',
]
const requestWords = [...words, 'GET', 'POST', 'OPTIONS', 'CONNECT', 'HEAD']

const chunked = 'Host: h\r\nTransfer-Encoding: chunked\r\n\r\n'
const next = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

/** Good ones, which the inputs are a few changes away from. */
const requests = [
  'GET / HTTP/1.1\r\nHost: h\r\nX: y\r\nAccept: */*\r\n\r\n',
  `POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello${next}`,
  `POST / HTTP/1.1\r\n${chunked}5\r\nhello\r\n1;x=y\r\n.\r\n0\r\n\r\n`,
  `PUT / HTTP/1.1\r\n${chunked}00a\r\n0123456789\r\n0\r\nA: b\r\n\r\n`,
  'GET http://h:80/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
]
const responses = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  `HTTP/1.1 404 Not Found\r\nX: y\r\n${chunked}5\r\nhello\r\n0\r\nA: b\r\n\r\n`,
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n',
  'HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end',
  'HTTP/1.1 204 No Content\r\n\r\n',
]

function messages(good: readonly string[], pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.constantFrom(...pieces)
  const change = fc.tuple(fc.nat(), fc.nat(8), fc.oneof(piece, fc.string({ maxLength: 3 })))
  const changed = fc
    .tuple(fc.constantFrom(...good), fc.array(change, { maxLength: 3 }))
    .map(([text, changes]) =>
      changes.reduce((before, [at, drop, put]) => {
        const place = at % (before.length + 1)
        return before.slice(0, place) + put + before.slice(place + drop)
      }, text),
    )
  const made = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(''))
  return fc.oneof({ arbitrary: changed, weight: 3 }, { arbitrary: made, weight: 1 })
}

/** Requests and responses, most of them with something wrong; one character a byte. */
export const message = fc.oneof(
  fc.record({ text: messages(requests, requestWords), response: fc.constant(false) }),
  fc.record({ text: messages(responses, words), response: fc.constant(true) }),
)
