import assert from 'node:assert/strict'
import test from 'node:test'
import { queryValue } from '../../../../src/nodeproxy/route/query.ts'

const rows: readonly (readonly [query: string | undefined, value: string | undefined])[] = [
  [undefined, undefined],
  ['', undefined],
  ['a=1', '1'],
  ['b=2&a=1', '1'],
  ['a=1&a=2', '1'],
  ['ab=2&a=1', '1'],
  ['aa=2', undefined],
  ['a', ''],
  ['a=', ''],
  ['a&b', ''],
  ['=a&a=3', '3'],
  ['%61=1', '1'],
  ['a=%20%C3%BC', ' ü'],
  ['a=1+1', '1+1'],
  ['a=%zz', '%zz'],
  ['a=x=y', 'x=y'],
  ['&&a=1&&', '1'],
]

for (const [query, value] of rows) {
  test(`a of ${JSON.stringify(query)} is ${JSON.stringify(value)}`, () => {
    assert.equal(queryValue(query, 'a'), value)
  })
}
