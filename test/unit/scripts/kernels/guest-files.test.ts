import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { writeArchive } from '../../../../scripts/kernels/cpio.ts'
import { dependsOf } from '../../../../scripts/kernels/modules.ts'
import {
  GUEST_ROOT,
  gatherProject,
  importedPackages,
} from '../../../../scripts/kernels/project-files.ts'

test('cpio(1) unpacks what was written', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cpio-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const archive = join(folder, 'x.cpio')
  const odd = Buffer.from('seven b')
  writeArchive(archive, [
    { path: 'a/b/file', kind: 'file', mode: 0o755, from: odd },
    { path: 'a/link', kind: 'link', to: '/a/b/file' },
    { path: 'empty', kind: 'file', mode: 0o600, from: Buffer.alloc(0) },
    { path: 'folder', kind: 'folder' },
  ])
  // Concatenated, as guests get them.
  const twice = Buffer.concat([readFileSync(archive), readFileSync(archive)])
  for (const input of [readFileSync(archive), twice]) {
    execFileSync('cpio', ['-idu', '--quiet', '-D', folder], { input })
    assert.deepEqual(readFileSync(join(folder, 'a/b/file')), odd)
    assert.equal(statSync(join(folder, 'a/b/file')).mode & 0o777, 0o755)
    assert.equal(readlinkSync(join(folder, 'a/link')), '/a/b/file')
    assert.equal(statSync(join(folder, 'empty')).size, 0)
    assert.ok(statSync(join(folder, 'folder')).isDirectory())
  }
})

test('modules name what they depend on', () => {
  const info = (depends: string): Buffer =>
    Buffer.from(`junk\0license=GPL\0depends=${depends}\0retpoline=Y\0`)
  assert.deepEqual(dependsOf(info('nf_tables,nf-conntrack')), ['nf_tables', 'nf_conntrack'])
  assert.deepEqual(dependsOf(info('')), [])
  assert.deepEqual(dependsOf(Buffer.from('nothing')), [])
})

test('packages are those that a source imports at run time', () => {
  const source = [
    "import { Command } from 'commander'",
    "import type { Logger } from 'pino'",
    "import client from '@kubernetes/client-node/dist/x.js'",
    'import {',
    '  parse,',
    "} from 'yaml'",
    "import test from 'node:test'",
    "import { x } from './x.ts'",
    "export { y } from 'fast-check'",
    'const python = `import fcntl, socket`',
  ].join('\n')
  assert.deepEqual(importedPackages(source), [
    'commander',
    '@kubernetes/client-node',
    'yaml',
    'fast-check',
  ])
})

test('what sources of the guest import is in the guest', () => {
  const root = join(import.meta.dirname, '../../../..')
  const entries = gatherProject(root)
  const paths = new Set(entries.map(({ path }) => path))
  const lacking = entries.flatMap((entry) => {
    if (entry.kind !== 'file' || typeof entry.from === 'string') return []
    const imports = entry.from.toString().matchAll(/^(?:import|export|}).* from '(\.[^'\n]+)'/gm)
    return [...imports]
      .map(([, to = '']) => join(dirname(entry.path), to))
      .filter((path) => !paths.has(path))
      .map((path) => `${entry.path}: ${path}`)
  })
  assert.ok(paths.has(`${GUEST_ROOT}/src/nodeproxy/main.ts`))
  assert.deepEqual(lacking, [])
})
