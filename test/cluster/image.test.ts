// The image: what is in it, that it is the same bytes each time, and that it runs by itself.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { run } from '../../scripts/command.ts'
import { buildImage, type BuiltImage } from '../../scripts/image/build.ts'
import { imageConfig, readPackage } from '../../scripts/image/contents.ts'
import { productionModules } from '../../scripts/image/modules.ts'
import { root } from '../../scripts/tools.ts'

const minuteMs = 60_000

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

let folder = ''
let rootfs = ''
let built: BuiltImage

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-image-'))
  built = await buildImage(join(folder, 'first.tar'))
  await run(['tar', '-C', folder, '-xf', built.file])
  rootfs = join(folder, 'rootfs')
  mkdirSync(rootfs)
  const [layer] = readManifest().layers
  await run(['tar', '-C', rootfs, '-xzf', blob(layer?.digest ?? '')])
})
after(() => rmSync(folder, { recursive: true, force: true }))

function blob(digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'))
}

function readManifest(): Manifest {
  return JSON.parse(readFileSync(blob(built.digest), 'utf8')) as Manifest
}

/** Runs a program of the image with nothing of this machine but its kernel. */
async function runInside(argv: readonly string[]): Promise<string> {
  const mounts = ['proc', 'sys', 'dev'].map(
    (name) => `mkdir -p "$0/${name}" && mount --rbind /${name} "$0/${name}"`,
  )
  const script = `${mounts.join(' && ')} && exec chroot "$0" "$@"`
  const environment = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']
  return run([...environment, 'unshare', '--mount', 'sh', '-c', script, rootfs, ...argv], {
    timeoutMs: 3 * minuteMs,
  })
}

const runNode = (script: string) => runInside(['/usr/bin/node', '--eval', script])

test('building it twice gives the same bytes', async () => {
  const again = await buildImage(join(folder, 'second.tar'))
  assert.equal(again.digest, built.digest)
  assert.ok(readFileSync(again.file).equals(readFileSync(built.file)))
})

test('blobs are what their names say', () => {
  const names = readdirSync(join(folder, 'blobs/sha256'))
  assert.equal(names.length, 3)
  for (const name of names) {
    const data = readFileSync(join(folder, 'blobs/sha256', name))
    assert.equal(createHash('sha256').update(data).digest('hex'), name)
  }
})

test('docker load and containerd find the same layer and configuration', () => {
  const { config, layers } = readManifest()
  const [docker] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as readonly {
    readonly Config: string
    readonly RepoTags: readonly string[]
    readonly Layers: readonly string[]
  }[]
  const path = (digest: string) => `blobs/${digest.replace(':', '/')}`
  assert.deepEqual(docker, {
    Config: path(config.digest),
    RepoTags: [built.name],
    Layers: layers.map(({ digest }) => path(digest)),
  })
})

test('it is small enough to download', () => {
  assert.ok(built.bytes < 150e6, `${built.bytes} bytes`)
})

test('no TypeScript, no source map and no package for development is in it', () => {
  const files = readdirSync(rootfs, { recursive: true }).map(String)
  assert.deepEqual(
    files.filter((file) =>
      /\.(ts|map|node\.lib)$|node_modules\/(typescript|oxlint|knip)/.test(file),
    ),
    [],
  )
  assert.ok(files.includes('sluice/dist/nodeproxy/main.js'))
})

test('every package and every library is there with its licence', () => {
  const licences = readdirSync(join(rootfs, 'licences'), { recursive: true }).map(String)
  for (const { name, version } of productionModules()) {
    assert.ok(
      licences.some((file) => file.startsWith(`npm/${name}-${version}/`)),
      name,
    )
  }
  const others = ['node/LICENSE', 'sluice/LICENSE', 'sluice/bpf/LICENSE.GPL-2.0']
  for (const name of ['libc6', 'libbpf1', 'libelf1', 'zlib1g', 'libstdc++6']) {
    others.push(`debian/${name}/copyright`)
  }
  for (const file of others) assert.ok(licences.includes(file), file)
})

test('its Node runs with its own libraries and loads the addon', async () => {
  const script = `
    const addon = require('/sluice/build/Release/sluice.node')
    console.log(JSON.stringify([process.version, Object.keys(addon).length]))`
  const [version, functions] = JSON.parse(await runNode(script)) as [string, number]
  assert.equal(version, process.version)
  assert.ok(functions > 0)
})

test('the compiled proxy starts its worker threads', async () => {
  const script = `
    import('/sluice/dist/nodeproxy/lifecycle/worker-threads.js').then(({ spawnWorkers }) => {
      const [{ worker, died }] = spawnWorkers(1)
      worker.on('online', () => { console.log('online'); process.exit() })
      died.then((error) => { console.error(error); process.exit(1) })
    })`
  assert.equal(await runNode(script), 'online\n')
})

test('its entry point starts each program', async () => {
  const entry = ['/usr/bin/node', '/sluice/dist/entry.js']
  assert.match(await runInside([...entry, 'nodeproxy', '--help']), /^usage: nodeproxy/)
  assert.match(await runInside([...entry, 'operator', '--help']), /^Usage: operator/)
  assert.equal(await runInside([...entry, 'sluice', '--version']), `${readPackage().version}\n`)
  await assert.rejects(runInside([...entry, 'nothing']), /is no program of Sluice: .* nodeproxy/)
})

test('its preflight finds what the checkout finds', async () => {
  const inside = await verdictOf(runInside(['/usr/bin/sluice', 'preflight', '-o', 'json']))
  const main = join(root, 'src/cli/main.ts')
  const outside = await verdictOf(run([process.execPath, main, 'preflight', '-o', 'json']))
  assert.deepEqual(inside, outside)
})

/** The answers to all questions, by question. */
async function verdictOf(printed: Promise<string>): Promise<Readonly<Record<string, string>>> {
  const { checks } = JSON.parse(await printed) as {
    readonly checks: readonly { readonly id: string; readonly status: string }[]
  }
  assert.ok(checks.length > 20)
  return Object.fromEntries(checks.map(({ id, status }) => [id, status]))
}

test('the Dockerfile makes the same image', () => {
  const lines = readFileSync(join(root, 'scripts/image/Dockerfile'), 'utf8')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const last = lines.slice(lines.lastIndexOf('FROM scratch'))
  const { Entrypoint, Env, WorkingDir, Labels } = imageConfig(readPackage())
  const labels = Object.entries(Labels as Readonly<Record<string, string>>)
  assert.deepEqual(
    last.map((line) => line.replaceAll(/ +/g, ' ')),
    [
      'FROM scratch',
      'COPY --from=build /image/ /',
      `ENV ${(Env as readonly string[]).join(' ')}`,
      `WORKDIR ${String(WorkingDir)}`,
      `LABEL ${labels.map(([key, value]) => `${key}="${value}"`).join(' ')}`,
      `ENTRYPOINT ${JSON.stringify(Entrypoint).replaceAll(',', ', ')}`,
    ],
  )
  // What fills /image is what the archive is made from.
  assert.ok(lines.includes('RUN scripts/setup image && npm run -s image -- --folder /image'))
})
