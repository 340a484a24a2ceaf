import assert from 'node:assert/strict'
import test from 'node:test'
import { columnsOf, maxColumns, wrapComments } from '../../../scripts/format/wrap-comments.ts'

const long = 'word '.repeat(24).trim()
const words = (text: string): readonly string[] => text.match(/\w+/g) ?? []

function wrapped(text: string): readonly string[] {
  const result = wrapComments(text)
  assert.deepEqual(words(result), words(text), 'no word is lost, added or moved')
  assert.equal(wrapComments(result), result, 'what is wrapped stays')
  return result.split('\n')
}

test('what is too long goes to the front of the next line of the same sentence', () => {
  const lines = wrapped(`  // ${long}\n  // tail.\nconst a = 1`)
  assert.equal(lines.length, 3)
  assert.ok(lines.every((line) => columnsOf(line) <= maxColumns))
  assert.match(lines[1] ?? '', /^ {2}\/\/ word .*tail\.$/)
})

test('a doc comment of one line becomes one of several', () => {
  const lines = wrapped(`/** ${long} */\nexport const a = 1`)
  assert.equal(lines[0], '/**')
  assert.match(lines[1] ?? '', /^ \* word/)
  assert.equal(lines[3], ' */')
})

test('a block comment of C keeps its end on the last line of words', () => {
  const lines = wrapped(`\t/* ${long} */\n\tint a;`)
  assert.match(lines[0] ?? '', /^\t\/\* word/)
  assert.match(lines[1] ?? '', /^\t \* word.* \*\/$/)
})

test('tags, list items and tables below are not continued into', () => {
  for (const next of ['@returns x', '- x', '1. x', '| x']) {
    const lines = wrapped(` * ${long}\n * ${next}`)
    assert.equal(lines.length, 3)
    assert.equal(lines[2], ` * ${next}`)
  }
})

test('a list item goes on under its words', () => {
  assert.match(wrapped(` * - ${long}`)[1] ?? '', /^ \* {3}word/)
})

test('code and comments behind code are left alone', () => {
  const text = `const a = 1 // ${long}\nconst b = '${long}'`
  assert.deepEqual(wrapped(text), text.split('\n'))
})
