import assert from 'node:assert/strict'
import test from 'node:test'
import { textTable, textTree } from '../../../../src/nodeproxy/admin/text-table.ts'

test('columns are aligned and empty cells are seen', () => {
  const table = textTable([
    { name: 'a', state: 'enrolled', addresses: ['10.0.0.1', 'fd00::1'] },
    { name: 'long-name', state: '', addresses: [] },
  ])
  assert.equal(
    table,
    [
      'NAME       STATE     ADDRESSES',
      'a          enrolled  10.0.0.1,fd00::1',
      'long-name  -         -',
      '',
    ].join('\n'),
  )
})

test('no rows are said to be none', () => {
  assert.equal(textTable([]), '(none)\n')
})

test('a tree is one line a leaf', () => {
  assert.equal(textTree({ a: { b: 1, c: {} }, d: true, e: 5n }), 'a.b 1\na.c (none)\nd true\ne 5\n')
})
