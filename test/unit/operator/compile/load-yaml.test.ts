import assert from 'node:assert/strict'
import test from 'node:test'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'

test('several documents, empty ones, comments and lists', () => {
  const text = `# first
kind: A
---
---
# nothing here
---
kind: List
items:
  - kind: B
  - kind: C
---
{ "kind": "D" }
`
  const { objects, errors, places } = loadYaml(text, 'a.yaml')
  assert.deepEqual(errors, [])
  assert.deepEqual(objects, [{ kind: 'A' }, { kind: 'B' }, { kind: 'C' }, { kind: 'D' }])
  assert.deepEqual(
    objects.map((object) => places.get(object)),
    ['a.yaml:2', 'a.yaml:9', 'a.yaml:10', 'a.yaml:12'],
  )
})

test('an empty text has no objects', () => {
  assert.deepEqual(loadYaml('', 'a.yaml').objects, [])
  assert.deepEqual(loadYaml('# only words\n', 'a.yaml').objects, [])
})

const bad: readonly (readonly [string, string, RegExp])[] = [
  [
    'wrong indentation',
    'a: 1\n  b: 2\n',
    /^a\.yaml:1:4: Nested mappings.*: correct the YAML here or just before$/,
  ],
  ['a quote that is not closed', 'kind: A\n---\nname: "x\n', /^a\.yaml:[34]:\d+: /],
  ['a key twice', 'kind: A\nkind: B\n', /^a\.yaml:2:1: Map keys must be unique/],
  ['a tab', 'a:\n\tb: 1\n', /^a\.yaml:2:\d+: /],
  [
    'a word',
    'hello\n',
    /^a\.yaml:1: "hello" is no object: write one object a document, separated by ---$/,
  ],
  ['an alias of nothing', 'kind: A\nspec: *none\n', /^a\.yaml:\d+(:\d+)?: Unresolved alias.*none/],
]

for (const [what, text, error] of bad) {
  test(`${what}: the error names file and line`, () => {
    const { errors } = loadYaml(text, 'a.yaml')
    assert.equal(errors.length > 0, true)
    assert.match(errors[0] ?? '', error)
  })
}

test('a text that blows up by aliases is an error, not a hang', () => {
  const levels = Array.from(
    { length: 12 },
    (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`,
  )
  const { objects, errors } = loadYaml(`l0: &l0 [x]\n${levels.join('\n')}\n`, 'bomb.yaml')
  assert.deepEqual(objects, [])
  assert.match(errors[0] ?? '', /^bomb\.yaml:1: Excessive alias count.*: write the values out$/)
})

test('texts stay texts: yes is no boolean, 1 is a number', () => {
  assert.deepEqual(loadYaml('a: yes\nb: 1\nc: "1"\nd: true\n', 'a').objects, [
    { a: 'yes', b: 1, c: '1', d: true },
  ])
})
