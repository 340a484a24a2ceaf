import { globSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../tools.ts'
import type { TarEntry } from './tar.ts'

/** An npm package that the image ships, or that is compiled into what it ships. */
export interface Module {
  /** `node_modules/…`, as the lock names it. */
  readonly path: string
  readonly name: string
  readonly version: string
  /** File names in its folder. */
  readonly licences: readonly string[]
}

interface Locked {
  readonly version?: string
  readonly dev?: boolean
}

/** Headers alone: in the addon, and nothing to ship but the licence. */
const compiledIn = ['node-addon-api']
const runtimes = /^node_modules\/node-linux-/
const notNeeded =
  /(\.map|\.md|\.ts|\.mts|\.cts|\.markdown|\.yml)$|(^|\/)(test|tests|docs|benchmarks?|\.github)\//

/** The locked production packages that are installed. @throws Error for one without a licence */
export function productionModules(): readonly Module[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true && !runtimes.test(path))
    .filter(([path]) => statSync(join(root, path), { throwIfNoEntry: false }) !== undefined)
    .map(([path, { version = '' }]) => {
      const licences = readdirSync(join(root, path)).filter((file) =>
        /^((un)?licen[cs]e|copying|notice)/i.test(file),
      )
      const name = path.split('node_modules/').at(-1) ?? path
      if (licences.length > 0) return { path, name, version, licences }
      throw new Error(`${path} has no licence file: it can not be shipped without its licence`)
    })
}

/** What of a package runs. */
export function moduleFiles({ path, name }: Module): readonly TarEntry[] {
  if (compiledIn.includes(name)) return []
  return globSync('**/*', {
    cwd: join(root, path),
    exclude: (file) => basename(file) === 'node_modules',
  })
    .filter((file) => !notNeeded.test(file) && statSync(join(root, path, file)).isFile())
    .map((file) => ({
      kind: 'file',
      path: `sluice/${path}/${file}`,
      mode: 0o644,
      from: join(root, path, file),
    }))
}
