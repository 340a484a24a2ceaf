import { createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { goVersion, type Part, parts } from './parts.ts'

export const modulesFolder = join(import.meta.dirname, 'modules')

/** Where parts lie that were built once, for all checkouts and clusters of this user. */
export interface Cache {
  readonly folder: string
  readonly bin: string
}

/**
 * Outside of the checkout, named by a digest of everything that the parts are made from, so that
 * two versions of the recipe never share one.
 */
export function partsCache(env: NodeJS.ProcessEnv = process.env): Cache {
  const base = env['SLUICE_CACHE'] ?? env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(base, 'sluice', `cluster-${recipeDigest()}`)
  return { folder, bin: join(folder, 'bin') }
}

function recipeDigest(): string {
  const hash = createHash('sha256').update(JSON.stringify({ goVersion, arch: process.arch, parts }))
  for (const file of globSync('**/*.{mod,sum,go}', { cwd: modulesFolder }).sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(join(modulesFolder, file)))
  }
  return hash.digest('hex').slice(0, 16)
}

/** What was built, by name; written after each part, so that an interrupted build goes on later. */
type Manifest = Readonly<Record<string, string>>

/**
 * Those parts that are not there as they were built.
 * @returns their names in the order of building; empty when the cache is whole
 */
export async function missingParts(cache: Cache): Promise<readonly Part[]> {
  const manifest = readManifest(cache)
  const sound = await Promise.all(
    parts.map(async ({ name }) => {
      const built = manifest[name]
      return built !== undefined && built === (await digestOf(join(cache.bin, name)))
    }),
  )
  return parts.filter((_, index) => sound[index] !== true)
}

/** Takes a freshly built file into the cache under the part's name. */
export async function keepPart(cache: Cache, { name }: Part, file: string): Promise<void> {
  mkdirSync(cache.bin, { recursive: true })
  const digest = await digestOf(file)
  if (digest === undefined) throw new Error(`${file} is not there, although it was just built`)
  // A running cluster may execute the old one: the name goes to the new file in one step.
  renameSync(file, join(cache.bin, name))
  const path = manifestPath(cache)
  writeFileSync(`${path}.new`, `${JSON.stringify({ ...readManifest(cache), [name]: digest })}\n`)
  renameSync(`${path}.new`, path)
}

export function removePart(cache: Cache, { name }: Part): void {
  rmSync(join(cache.bin, name), { force: true })
}

function readManifest(cache: Cache): Manifest {
  const path = manifestPath(cache)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : {}
}

function manifestPath(cache: Cache): string {
  return join(cache.folder, 'manifest.json')
}

/** Undefined for what is not there. */
async function digestOf(file: string): Promise<string | undefined> {
  if (!existsSync(file)) return undefined
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
