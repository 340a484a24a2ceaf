import assert from 'node:assert/strict'
import fc from 'fast-check'
import { compile } from '../../src/operator/compile/compile.ts'
import { loadYaml } from '../../src/operator/compile/load-yaml.ts'

const word = fc.constantFrom(
  'kind: ',
  'Service',
  'List',
  'items:',
  '- ',
  '\n',
  '  ',
  '---\n',
  '&a ',
  '*a',
  '!!binary ',
  '{',
  '}',
  '[',
  ']',
  ':',
  '|',
  '"',
  "'",
  '#',
  '<<: ',
  '\t',
  '0x',
  '~',
  'metadata:',
  'name: a',
)
const text = fc.oneof(
  fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
  fc.string({ unit: 'binary' }),
)

/** Any text is read or named with file and line as unreadable, and what is read can be compiled. */
export const property = fc.property(text, (yaml) => {
  const { objects, errors } = loadYaml(yaml, 'f.yaml')
  for (const error of errors) assert.match(error, /^f\.yaml:\d+/)
  compile(objects)
})
