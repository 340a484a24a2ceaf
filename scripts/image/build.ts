import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root, runTool } from '../tools.ts'
import { writeImage } from './archive.ts'
import { imageConfig, imageContents, readPackage } from './contents.ts'
import type { TarEntry } from './tar.ts'

/** Kubernetes nodes download it, perhaps all at once. */
const MOST_BYTES = 150e6

export interface BuiltImage {
  readonly file: string
  readonly name: string
  readonly digest: string
  readonly bytes: number
}

/** Compiles what of src/ the image ships, and gives everything that is in it to `use`. */
export async function withContents<T>(
  use: (entries: readonly TarEntry[]) => Promise<T>,
): Promise<T> {
  const folder = join(root, 'build/image')
  mkdirSync(folder, { recursive: true })
  // Its own, because another process may be at dist/.
  const dist = mkdtempSync(join(folder, 'dist-'))
  try {
    const flags = ['--outDir', dist, '--sourceMap', 'false']
    const status = runTool('tsc', ['-p', 'tsconfig.build.json', ...flags])
    if (status !== 0) throw new Error(`tsc failed with status ${status}: see above`)
    return await use(imageContents(dist))
  } finally {
    rmSync(dist, { recursive: true, force: true })
  }
}

/** @throws Error when the archive is bigger than nodes should have to download */
export async function buildImage(file: string): Promise<BuiltImage> {
  const about = readPackage()
  const name = `sluice.dev/sluice:${about.version}`
  const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? 0)
  if (!Number.isSafeInteger(seconds) || seconds < 0) {
    throw new Error('SOURCE_DATE_EPOCH is no number of seconds: set it to one, or unset it')
  }
  const image = { name, config: imageConfig(about), seconds, compress: true }
  const digest = await withContents((entries) => writeImage(file, { ...image, entries }))
  const bytes = statSync(file).size
  if (bytes <= MOST_BYTES) return { file, name, digest, bytes }
  const [size, most] = [bytes, MOST_BYTES].map((one) => Math.round(one / 1e6))
  throw new Error(`${file} has ${size} MB, more than ${most}: what got into it?`)
}
