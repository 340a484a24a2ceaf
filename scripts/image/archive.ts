import { createHash, type Hash } from 'node:crypto'
import { createWriteStream, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough, Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type TarEntry, tarChunks } from './tar.ts'

/** An image of one layer. */
export interface Image {
  /** With its tag: `sluice.dev/sluice:0.1.0`. */
  readonly name: string
  readonly entries: readonly TarEntry[]
  /** As the image specification has them: Entrypoint, Env, User, Labels. */
  readonly config: Readonly<Record<string, unknown>>
  /** Seconds since 1970 of everything in it; 0 when absent. */
  readonly seconds?: number
  /** Smaller, and several seconds later for a big one. */
  readonly compress?: boolean
}

const types = {
  layout: 'application/vnd.oci.image.layout',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
}

/**
 * Writes an image as an OCI layout in a tar archive, with the manifest.json beside it that older
 * versions of `docker load` read. The same image gives the same bytes. Nothing but this process is
 * needed.
 * @returns the digest of the image's manifest, `sha256:…`
 */
export async function writeImage(file: string, image: Image): Promise<string> {
  const seconds = image.seconds ?? 0
  const folder = mkdtempSync(join(dirname(file), '.image-'))
  try {
    const layer = await writeLayer(join(folder, 'layer'), image, seconds)
    const config = blobOf(configOf(image, layer.diffId, seconds))
    const manifest = blobOf({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptor(types.config, config),
      layers: [descriptor(layer.type, layer)],
    })
    const index = {
      schemaVersion: 2,
      manifests: [
        {
          ...descriptor(types.manifest, manifest),
          annotations: {
            'io.containerd.image.name': image.name,
            'org.opencontainers.image.ref.name': image.name.split(':').at(-1),
          },
        },
      ],
    }
    const docker = [{ Config: pathOf(config), RepoTags: [image.name], Layers: [pathOf(layer)] }]
    const entries: TarEntry[] = [
      fileEntry('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
      fileEntry('index.json', json(index)),
      fileEntry('manifest.json', json(docker)),
      fileEntry(pathOf(config), config.data),
      fileEntry(pathOf(manifest), manifest.data),
      fileEntry(pathOf(layer), join(folder, 'layer')),
    ]
    const whole = join(folder, 'archive')
    await pipeline(Readable.from(tarChunks(entries, seconds)), createWriteStream(whole))
    renameSync(whole, file)
    return `sha256:${manifest.digest}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Blob {
  readonly digest: string
  readonly size: number
}

async function writeLayer(file: string, image: Image, seconds: number) {
  const [inner, outer] = [createHash('sha256'), createHash('sha256')]
  const compress = image.compress ?? false
  await pipeline(
    Readable.from(tarChunks(image.entries, seconds)),
    hashing(inner),
    // No name and no time get into the header by this interface.
    compress ? createGzip({ level: 6 }) : new PassThrough(),
    hashing(outer),
    createWriteStream(file),
  )
  return {
    digest: outer.digest('hex'),
    size: statSync(file).size,
    diffId: `sha256:${inner.digest('hex')}`,
    type: compress ? `${types.layer}+gzip` : types.layer,
  }
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}

const architectures: Readonly<Partial<Record<string, string>>> = { x64: 'amd64', arm64: 'arm64' }

function configOf(image: Image, diffId: string, seconds: number) {
  const created = new Date(seconds * 1000).toISOString()
  return {
    created,
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'npm run image' }],
  }
}

function blobOf(value: unknown): Blob & { readonly data: Buffer } {
  const data = json(value)
  return { data, size: data.length, digest: createHash('sha256').update(data).digest('hex') }
}

function descriptor(mediaType: string, { digest, size }: Blob) {
  return { mediaType, digest: `sha256:${digest}`, size }
}

function pathOf({ digest }: Blob): string {
  return `blobs/sha256/${digest}`
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function fileEntry(path: string, from: string | Buffer): TarEntry {
  return { kind: 'file', path, mode: 0o644, from }
}
