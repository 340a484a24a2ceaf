// Pairs test/golden/compile/x.in.yaml and x.out.yaml. With x.before.yaml, that is compiled first,
// and what was good in it stays in force. UPDATE_GOLDEN=1 writes what came out; read the diff
// before you commit it.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { parse, stringify } from 'yaml'
import { type CompileResult, compile } from '../../../../src/operator/compile/compile.ts'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'
import { formatProblem } from '../../../../src/operator/compile/problem.ts'
import { goldenFolder, readGolden } from '../golden-input.ts'

const inputs = globSync('*.in.yaml', { cwd: goldenFolder }).sort()

function compileFile(file: string, previous: CompileResult | undefined): CompileResult {
  const loaded = loadYaml(readGolden(file), file)
  assert.deepEqual(loaded.errors, [])
  const placeOf = (object: unknown) => loaded.places.get(object)
  return compile(loaded.objects, { placeOf, ...(previous === undefined ? {} : { previous }) })
}

test('there are golden pairs', () => {
  assert.ok(inputs.length >= 8, `found ${inputs.length} in ${goldenFolder}`)
})

for (const input of inputs) {
  const name = input.slice(0, -'.in.yaml'.length)
  test(`compiles ${name}`, () => {
    const before = `${name}.before.yaml`
    const previous = existsSync(join(goldenFolder, before))
      ? compileFile(before, undefined)
      : undefined
    const { resources, problems } = compileFile(input, previous)
    const actual = { problems: problems.map(formatProblem), resources }
    const output = join(goldenFolder, `${name}.out.yaml`)
    if (process.env['UPDATE_GOLDEN'] === '1') {
      writeFileSync(output, stringify(actual, { aliasDuplicateObjects: false, lineWidth: 0 }))
    }
    // As YAML has it: keys are text there.
    assert.deepEqual(JSON.parse(JSON.stringify(actual)), parse(readFileSync(output, 'utf8')))
  })
}
