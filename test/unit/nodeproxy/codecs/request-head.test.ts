import assert from 'node:assert/strict'
import test from 'node:test'
import {
  createRequestHeadReader,
  type RequestHead,
} from '../../../../src/nodeproxy/codecs/request-head.ts'
import { blankHttp } from '../../../../src/nodeproxy/io/http-events.ts'

const base = 1_024

/** What the reader makes of a request, put into a slab as the engine does. */
function read(method: string, target: string, fields: readonly (readonly string[])[]): RequestHead {
  const slab = new ArrayBuffer(1 << 16)
  const bytes = Buffer.from(slab)
  const table = new Uint16Array(slab)
  let text = `${method} ${target} HTTP/1.1\r\n`
  fields.forEach(([name = '', value = ''], index) => {
    const at = text.length
    table.set([at, name.length, at + name.length + 2, value.length], index * 4)
    text += `${name}: ${value}\r\n`
  })
  bytes.write(text, base, 'latin1')
  const host = fields.findIndex(([name]) => name === 'Host')
  return createRequestHeadReader(slab).view({
    ...blankHttp.request(),
    headOffset: base,
    headLength: text.length,
    methodLength: method.length,
    targetOffset: base + method.length + 1,
    targetLength: target.length,
    authorityOffset: base + (table[host * 4 + 2] ?? 0),
    authorityLength: table[host * 4 + 3] ?? 0,
    tableOffset: 0,
    headerCount: fields.length,
  })
}

test('method, path, query and authority as on the wire', () => {
  const head = read('GET', '/a/%20b?c=d?e', [['Host', 'Shop:80']])
  const { method, path, query, authority } = head
  assert.deepEqual([method, path, query, authority], ['GET', '/a/%20b', 'c=d?e', 'Shop:80'])
})

test('a target without a path has the path /', () => {
  assert.deepEqual([read('GET', '', []).path, read('GET', '', []).query], ['/', undefined])
  assert.deepEqual([read('GET', '?', []).path, read('GET', '?', []).query], ['/', ''])
  assert.equal(read('OPTIONS', '*', []).path, '*')
  assert.equal(read('CONNECT', 'a:1', []).path, '')
})

test('headers by lower-case name; several lines are joined', () => {
  const head = read('GET', '/', [
    ['Host', 'h'],
    ['X-One', '1'],
    ['x-two', ''],
    ['X-ONE', 'caf\u00e9'],
  ])
  assert.equal(head.header('x-one'), '1, caf\u00e9')
  assert.equal(head.header('x-two'), '')
  assert.equal(head.header('x-on'), undefined)
  assert.equal(head.header('host'), 'h')
})
