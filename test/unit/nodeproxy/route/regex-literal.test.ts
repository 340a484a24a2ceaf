import assert from 'node:assert/strict'
import test from 'node:test'
import { compileRegex, lazyRegex } from '../../../../src/model/linear-regex.ts'
import { literalElements } from '../../../../src/nodeproxy/route/regex-literal.ts'

const rows: readonly (readonly [pattern: string, literal: string])[] = [
  ['/api/v1/.*', '/api/v1'],
  ['/api/v[0-9]+/x', '/api'],
  ['/api/v1', '/api/v1'],
  ['/api/v1/', '/api/v1'],
  ['/api/v1/?', '/api'],
  ['/api/v1?', '/api'],
  ['/api/v1{2}', '/api'],
  ['/api*/x', ''],
  ['/a/b|/c', ''],
  ['/a/(b|c)', ''],
  ['(?i)/a/b', ''],
  ['.*', ''],
  ['^/a/b', ''],
  ['/a/b$', '/a'],
  ['/a/b\\.html', '/a'],
  ['/', ''],
  ['', ''],
]

for (const [pattern, literal] of rows) {
  test(`all that ${JSON.stringify(pattern)} matches begins with '${literal}'`, () => {
    assert.equal(literalElements(pattern), literal)
  })
}

test('it is the whole text that matches, and no text makes it slow', () => {
  const regex = compileRegex('(a+)+b')
  assert.ok(regex.matches('aab'))
  assert.ok(!regex.matches('xaab'))
  assert.ok(!regex.matches('aabx'))
  // V8's engine would still be busy with this one when the machine is scrap.
  assert.ok(!regex.matches('a'.repeat(50_000)))
})

test('what is no pattern, or too large a one, is refused with the reason', () => {
  assert.throws(() => compileRegex('a(?=b)'), /Perl syntax/)
  assert.throws(() => compileRegex('a{600}b{600}'), /instructions, and 1000 are allowed/)
  assert.ok(!lazyRegex('a(?=b)').matches('a'))
})
