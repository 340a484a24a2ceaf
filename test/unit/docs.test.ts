// What the documents promise to list, they list.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

test('every counter of the kernel programs is in docs/metrics.md', () => {
  const headers = globSync('bpf/*.h', { cwd: root }).map(read).join('\n')
  const [, list = ''] = /#define SLUICE_COUNTERS\(X\)([\s\S]*?)\nenum/.exec(headers) ?? []
  const counters = [...list.matchAll(/X\((\w+)\)/g)].map(([, name = '']) => name)
  const page = read('docs/metrics.md')
  assert.ok(counters.length > 50, `${counters.length} counters found in bpf/*.h`)
  assert.deepEqual(
    counters.filter((name) => !page.includes(`| \`${name.toLowerCase()}\` |`)),
    [],
  )
})

test('every metric in the sources is in docs/metrics.md, and the other way round', () => {
  const files = globSync(['src/nodeproxy/telemetry/*.ts', 'src/operator/metrics.ts'], { cwd: root })
  const sources = files.map(read).join('\n')
  const page = read('docs/metrics.md')
  const inSources = namesIn(sources, /'((?:sluice|istio)_[a-z0-9_]+)'/g)
  const inPage = namesIn(page, /^\| `((?:sluice|istio)_[a-z0-9_]+)`/gm)
  assert.deepEqual(inPage, inSources)
})

test('links between documents lead somewhere', () => {
  const pages = ['*.md', 'docs/**/*.md', 'bpf/*.md', 'bench/*.md', 'examples/**/*.md'].flatMap(
    (pattern) => globSync(pattern, { cwd: root }),
  )
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  )
  assert.deepEqual(broken, [])
})

function namesIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))].sort()
}
