import { execFile } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openArchive } from './apt.ts'
import { gatherModules } from './modules.ts'
import { type KernelSeries, newestImage } from './series.ts'

const run = promisify(execFile)

/** A kernel that can be booted. */
export interface Kernel {
  /** `uname -r`. */
  readonly release: string
  readonly vmlinuz: string
  /** Folder with `lib/modules/<release>`: the modules that tests need, and their index. */
  readonly modulesRoot: string
}

/**
 * Downloads and unpacks the newest kernel of a series, unless the cache has that version already.
 */
export async function fetchKernel(
  series: KernelSeries,
  cacheFolder: string,
  signal: AbortSignal,
): Promise<Kernel> {
  const archive = await openArchive(cacheFolder, series.suite, signal)
  const image = newestImage(await archive.names(), series.series)
  if (image === undefined) {
    throw new Error(
      `${series.suite.name} offers no cloud kernel of ${series.series ?? 'any series'}`,
    )
  }
  const release = image.slice('linux-image-'.length)
  // From 6.19 on the image package is a shell around these two.
  const parts = (await archive.dependencies(image)).filter((name) =>
    /^linux-(binary|modules)-\d/.test(name),
  )
  const debs = [image, ...parts]
  const folder = await archive.download(debs)
  const files = debs.map((name) => newestFile(folder, name))
  const unpacked = join(cacheFolder, 'unpacked', files[0]?.replace(/\.deb$/, '') ?? release)
  if (!existsSync(unpacked))
    await unpack(
      files.map((file) => join(folder, file)),
      release,
      unpacked,
    )
  return { release, vmlinuz: join(unpacked, 'vmlinuz'), modulesRoot: join(unpacked, 'modules') }
}

/** apt-get download leaves older versions of a package beside the one that it checked last. */
function newestFile(folder: string, name: string): string {
  const files = globSync(`${name}_*.deb`, { cwd: folder })
  const file =
    files.length === 1
      ? files[0]
      : files.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
  if (file === undefined) throw new Error(`apt-get download left no ${name}_*.deb in ${folder}`)
  return file
}

async function unpack(debs: readonly string[], release: string, target: string): Promise<void> {
  const aside = `${target}.new-${process.pid}`
  const tree = join(aside, 'tree')
  mkdirSync(tree, { recursive: true })
  try {
    for (const deb of debs) await run('dpkg-deb', ['-x', deb, tree])
    const [vmlinuz] = globSync(
      ['boot/vmlinuz-*', 'usr/lib/modules/*/vmlinuz', 'lib/modules/*/vmlinuz'],
      { cwd: tree },
    )
    if (vmlinuz === undefined)
      throw new Error(`no kernel in ${debs.join(', ')}: has Debian changed its packages?`)
    cpSync(join(tree, vmlinuz), join(aside, 'vmlinuz'))
    const [modules] = globSync(['usr/lib/modules/*/kernel', 'lib/modules/*/kernel'], { cwd: tree })
    if (modules === undefined)
      throw new Error(`no modules in ${debs.join(', ')}: has Debian changed its packages?`)
    await gatherModules(join(tree, modules), join(aside, 'modules'), release)
    rmSync(tree, { recursive: true })
    // A killed run must not leave half a kernel that later ones take for whole; another run may
    // have been quicker.
    if (!existsSync(target)) renameSync(aside, target)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}
