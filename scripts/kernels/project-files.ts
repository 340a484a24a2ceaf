import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { Entry } from './cpio.ts'

/** Where the project lies in the guest. */
export const GUEST_ROOT = 'sluice'

/** What is run in the guest, as it is: sources, the addon, the objects. */
const patterns: readonly string[] = [
  'package.json',
  'src/**/*.{ts,json}',
  'test/kernel/**/*',
  'test/support/**/*',
  'test/lab/support/**/*',
  'test/lab/mesh-ktls.test.ts',
  'bench/l4/proxy-configs.ts',
  'build/test/ktls-c',
  'scripts/kernels/guest/*',
  'scripts/kernels/short-form.ts',
  'bpf/*.h',
  'build/bpf/*.bpf.o',
  'build/Release/sluice*',
]

/**
 * The project's files for the guest, with the npm packages that they import and what those depend
 * on. The guest has no network: what is not here is not there.
 */
export function gatherProject(root: string): readonly Entry[] {
  const files = patterns
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((path) => statSync(join(root, path)).isFile())
  const sources = files
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(root, path), 'utf8'))
  const packages = closure(root, new Set(sources.flatMap(importedPackages)))
  const packageFiles = packages.flatMap((name) =>
    globSync(`node_modules/${name}/**/*.{js,cjs,mjs,json}`, { cwd: root }).filter(
      (path) => !path.includes('/node_modules/', 'node_modules/'.length + name.length - 1),
    ),
  )
  return [...files, ...packageFiles].map((path) => {
    const from = join(root, path)
    const mode = statSync(from).mode & 0o777
    return { path: `${GUEST_ROOT}/${path}`, kind: 'file', mode, from: contentOf(from) }
  })
}

/**
 * A file as it lies in the guest. TypeScript loses its types here, by Node's own stripping, which
 * keeps lines and columns: an emulated CPU takes six seconds to do it for one process.
 * scripts/kernels/guest/plain-types.mjs lets the guest's Node know.
 */
function contentOf(file: string): string | Buffer {
  return file.endsWith('.ts') ? Buffer.from(stripTypeScriptTypes(readFileSync(file, 'utf8'))) : file
}

/** npm packages that a source imports; Node's own modules and files of the project are none. */
export function importedPackages(source: string): readonly string[] {
  const statements = source.matchAll(
    /^(?:import|export) (?!type )(?:[\w\s{},*$]+ from )?'([^'\n]+)'$/gm,
  )
  return [...statements]
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
}

function closure(root: string, names: Set<string>): readonly string[] {
  // A Set's iteration also visits what is added on the way.
  for (const name of names) {
    const manifest = join(root, 'node_modules', name, 'package.json')
    if (!existsSync(manifest)) throw new Error(`npm package ${name} is imported and not installed`)
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      dependencies?: Record<string, string>
    }
    for (const dependency of Object.keys(dependencies)) names.add(dependency)
  }
  return [...names]
}
