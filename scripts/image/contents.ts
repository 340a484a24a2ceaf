import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../tools.ts'
import type { Image } from './archive.ts'
import { sharedLibraries } from './libraries.ts'
import { licences } from './licences.ts'
import { moduleFiles, productionModules } from './modules.ts'
import type { TarEntry } from './tar.ts'

const NODE = '/usr/bin/node'
const ENTRY = '/sluice/dist/entry.js'

/** So that `kubectl exec POD -- sluice …` works; nothing else in the image is a command. */
const COMMAND = `#!${NODE}\nprocess.argv.splice(2, 0, 'sluice')\nimport('${ENTRY}')\n`

/** A name for the user that is root, and one for whoever should be nobody. */
const PASSWD = 'root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\n'
const GROUP = 'root:x:0:\nnobody:x:65534:\n'

export interface Package {
  readonly version: string
  readonly description: string
  readonly license: string
}

export function readPackage(): Package {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package
}

/** The image's configuration; the Dockerfile says the same, which a test compares. */
export function imageConfig({ version, description, license }: Package): Image['config'] {
  return {
    Entrypoint: [NODE, ENTRY],
    Env: ['PATH=/usr/bin', 'NODE_ENV=production'],
    WorkingDir: '/',
    Labels: {
      'org.opencontainers.image.title': 'sluice',
      'org.opencontainers.image.description': description,
      'org.opencontainers.image.licenses': license,
      'org.opencontainers.image.version': version,
    },
  }
}

/**
 * Every file of the image: Node, what it and the addon link, compiled JavaScript with the packages
 * it imports, the addon, the keeper, BPF objects, licences.
 * @param dist folder of the compiled JavaScript
 */
export function imageContents(dist: string): readonly TarEntry[] {
  // The very Node that runs us: the locked package.
  const nodeFolder = dirname(dirname(process.execPath))
  const built = ['sluice.node', 'sluice-keeper'].map((name) => join(root, 'build/Release', name))
  const libraries = sharedLibraries([process.execPath, ...built])
  const modules = productionModules()
  const file = (path: string, from: string | Buffer, mode = 0o644): TarEntry => ({
    kind: 'file',
    path,
    mode,
    from,
  })
  return [
    file('usr/bin/node', process.execPath, 0o755),
    file('usr/bin/sluice', Buffer.from(COMMAND), 0o755),
    file('etc/passwd', Buffer.from(PASSWD)),
    file('etc/group', Buffer.from(GROUP)),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    ...libraries.map(({ path, file: from }) => file(path, from, 0o755)),
    file('sluice/package.json', runtimePackage()),
    ...filesBelow(dist, '**/*.{js,json}').map((name) =>
      file(`sluice/dist/${name}`, join(dist, name)),
    ),
    ...modules.flatMap(moduleFiles),
    ...built.map((path) => file(`sluice/build/Release/${path.split('/').at(-1)}`, path, 0o755)),
    ...filesBelow(join(root, 'build/bpf'), '*.bpf.o')
      .filter((name) => !name.startsWith('fixture-'))
      .map((name) => file(`sluice/build/bpf/${name}`, join(root, 'build/bpf', name))),
    ...licences(nodeFolder, modules, libraries),
  ]
}

/** What of package.json means something at run time. */
function runtimePackage(): Buffer {
  const { version, description, license } = readPackage()
  const kept = { name: 'sluice', version, description, license, type: 'module' }
  return Buffer.from(`${JSON.stringify(kept, undefined, 2)}\n`)
}

function filesBelow(folder: string, pattern: string): readonly string[] {
  const found = globSync(pattern, { cwd: folder })
  if (found.length === 0) throw new Error(`${folder} has no ${pattern}: run \`npm run build\``)
  return found
}
