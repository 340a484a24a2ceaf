// Style that no other tool checks: sizes, words and places that must not get into the project.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { columnsOf, maxColumns } from '../../scripts/format/wrap-comments.ts'

const root = join(import.meta.dirname, '../..')
const maxFileLines = 400
const maxFunctionLines = 70

const typescript = /\.(ts|mjs)$/
const c = /\.(c|h|cc|hpp)$/
/** Made by other people or by programs: their form is not ours. */
const foreign = /(^|\/)(vmlinux[^/]*\.h|package-lock\.json|LICENSE[^/]*)$|^test\/golden\//

interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
}

/** Tracked files and new ones that are not ignored, so that the test speaks before the commit. */
function sources(): readonly Source[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0')
  return listed
    .filter((path) => path !== '' && !foreign.test(path))
    .flatMap((path) => {
      const text = readText(path)
      return text === undefined ? [] : [{ path, text, lines: text.replace(/\n$/, '').split('\n') }]
    })
}

/** Undefined for what is binary, or deleted and not committed. */
function readText(path: string): string | undefined {
  try {
    const text = readFileSync(join(root, path), 'utf8')
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

const all = sources()

/** `path:line: text` for each line of the files named that matches. */
function linesMatching(files: RegExp, pattern: RegExp): readonly string[] {
  return all
    .filter(({ path }) => files.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [],
      ),
    )
}

/** Functions of C and C++ that begin in column 0: all do here, as namespaces are not indented. */
function functionsOf(lines: readonly string[]): readonly { line: number; length: number }[] {
  const found: { line: number; length: number }[] = []
  const type = /^(namespace|struct|class|enum|union|extern|typedef|static const|const)\b[^(]*$/
  let start: number | undefined
  let open = false
  for (const [index, line] of lines.entries()) {
    if (start === undefined && /^[A-Za-z_]/.test(line) && !type.test(line)) start = index
    if (start === undefined) continue
    if (line.startsWith('}')) {
      if (open) found.push({ line: start + 1, length: index - start + 1 })
      start = undefined
      open = false
    } else if (/^{|{\s*$/.test(line)) open = true
    else if (!open && /;\s*$/.test(line)) start = undefined
  }
  return found
}

test('there are sources to look at', () => {
  assert.ok(all.some(({ path }) => path === 'test/unit/tidy.test.ts'))
  assert.ok(all.some(({ path }) => path === 'bpf/abi.h'))
})

test(`files have at most ${maxFileLines} lines`, () => {
  const long = all
    .filter(
      ({ path, lines }) => (typescript.test(path) || c.test(path)) && lines.length > maxFileLines,
    )
    .map(({ path, lines }) => `${path}: ${lines.length} lines: split it by idea`)
  assert.deepEqual(long, [])
})

test(`functions of C and C++ have at most ${maxFunctionLines} lines`, () => {
  const files = all.filter(({ path }) => c.test(path))
  const long = files.flatMap((source) =>
    functionsOf(source.lines)
      .filter(({ length }) => length > maxFunctionLines)
      .map(({ line, length }) => `${source.path}:${line}: ${length} lines`),
  )
  assert.deepEqual(long, [])
})

test('functions of C and C++ are found', () => {
  const text = [
    'int f(int a,',
    '      int b);',
    '',
    'SEC("x")',
    'int g(int a)',
    '{',
    '\treturn a;',
    '}',
  ]
  assert.deepEqual(functionsOf(text), [{ line: 4, length: 5 }])
})

test(`lines of code have at most ${maxColumns} columns`, () => {
  const wide = all
    .filter(({ path }) => typescript.test(path) || c.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => {
        const columns = columnsOf(line)
        return columns > maxColumns ? [`${path}:${index + 1}: ${columns} columns`] : []
      }),
    )
  assert.deepEqual(wide, [])
})

/** All but this file, which must name what it forbids. */
const elsewhere = /^(?!test\/unit\/tidy\.test\.ts$)/

test('nothing is left for later in the sources', () => {
  assert.deepEqual(linesMatching(elsewhere, /\b(TODO|FIXME|XXX|HACK)\b/), [])
})

test('no machine path and no registry host is in the sources', () => {
  const hosts = /registry\.npmjs|deb\.debian\.org|proxy\.golang\.org|pypi\.org/
  const paths = /\/work\/|\/home\/[a-z]|\/tmp\/bash_jobs|\/root\//
  assert.deepEqual(linesMatching(elsewhere, hosts), [])
  assert.deepEqual(linesMatching(elsewhere, paths), [])
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  assert.doesNotMatch(lock, /"resolved": "http/, 'package-lock.json names a host: see .npmrc')
})

test('no check is switched off and no test is left out or alone', () => {
  const pattern = /@ts-(ignore|nocheck|expect-error)|\b(test|it|describe)\.(only|skip)\(|\bas any\b/
  assert.deepEqual(linesMatching(elsewhere, pattern), [])
})

test('tests do not sleep for time', () => {
  const sleeps = /await (setTimeout|sleep|delay)\(\s*[\d_]+\s*\)/
  const loop = /\b(while|for) \(/
  const found = all
    .filter(({ path }) => /^test\/.*\.test\.ts$/.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => {
        // One that waits for a condition looks again after a while.
        const polls = lines.slice(Math.max(0, index - 5), index + 1).some((one) => loop.test(one))
        return sleeps.test(line) && !polls ? [`${path}:${index + 1}: ${line.trim()}`] : []
      }),
    )
  assert.deepEqual(found, [])
})

test('every file of bpf/ says its licence in its first line', () => {
  const header = /SPDX-License-Identifier: \(?GPL-2\.0-only OR BSD-2-Clause\)?/
  const without = all
    .filter(({ path }) => /^bpf\/.*\.[ch]$/.test(path))
    .filter(({ lines }) => !header.test(lines[0] ?? ''))
    .map(({ path }) => path)
  assert.deepEqual(without, [])
})

test('files are named in kebab-case', () => {
  const odd = all
    .map(({ path }) => path)
    .filter((path) => /^(src|test|bench|scripts)\/.*\.(ts|mjs)$/.test(path))
    .filter((path) => !/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(path.split('/').at(-1) ?? ''))
  assert.deepEqual(odd, [])
})

test('there is no drawer for everything', () => {
  const drawers = all
    .map(({ path }) => path)
    .filter((path) => /(^|\/)(utils?|helpers?|misc|common)(\/|\.[a-z]+$)/.test(path))
  assert.deepEqual(drawers, [])
})
