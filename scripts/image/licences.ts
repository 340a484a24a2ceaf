import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../tools.ts'
import type { Library } from './libraries.ts'
import type { Module } from './modules.ts'
import type { TarEntry } from './tar.ts'

const COMMON = '/usr/share/common-licenses'

/** The licences of everything that the image holds, below `licences/`. */
export function licences(
  nodeFolder: string,
  modules: readonly Module[],
  libraries: readonly Library[],
): readonly TarEntry[] {
  const own = ['LICENSE', 'bpf/LICENSE', 'bpf/LICENSE.BSD-2-Clause', 'bpf/LICENSE.GPL-2.0']
  const ofModules = modules.flatMap(({ path, name, version, licences: files }) =>
    files.map((file) => entry(`npm/${name}-${version}/${file}`, join(root, path, file))),
  )
  return [
    ...own.map((file) => entry(`sluice/${file}`, join(root, file))),
    entry('node/LICENSE', join(nodeFolder, 'LICENSE')),
    ...ofModules,
    ...ofLibraries(libraries),
  ]
}

function ofLibraries(libraries: readonly Library[]): readonly TarEntry[] {
  const packages = [...new Set(libraries.map((library) => library.package))].sort()
  const files = packages.map((name) => `/usr/share/doc/${name}/copyright`)
  // They refer to the machine's copies of long ones, which the image does not have.
  const common = files.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(
      /\/usr\/share\/common-licenses\/([A-Za-z0-9.-]*[A-Za-z0-9])/g,
    ),
  ])
  const names = [...new Set(common.map(([, name = '']) => name))].sort()
  return [
    ...packages.map((name, index) => entry(`debian/${name}/copyright`, files[index] ?? '')),
    ...names.map((name) => entry(`debian/common-licenses/${name}`, join(COMMON, name))),
  ]
}

function entry(path: string, from: string): TarEntry {
  return { kind: 'file', path: `licences/${path}`, mode: 0o644, from }
}
