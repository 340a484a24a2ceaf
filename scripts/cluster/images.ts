import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Image, writeImage } from '../image/archive.ts'
import { clusterPaths } from './names.ts'
import { PAUSE_IMAGE } from './node-services.ts'
import { enterArgv, type Place } from './place.ts'
import { run } from '../command.ts'

export const DNS_IMAGE = 'localhost/coredns:1'

const IMPORT_TIMEOUT_MS = 600_000

/** Puts an archive (OCI or of `docker save`) into a node's containerd, as a pull would. */
export async function importImage(node: Place, archive: string): Promise<void> {
  const ctr = ['/run/parts/ctr', '--namespace', 'k8s.io', 'images', 'import', '--local', '-']
  await run(enterArgv(node, ctr), { stdin: archive, timeoutMs: IMPORT_TIMEOUT_MS })
}

/** Those that every cluster runs. */
export async function importOwnImages(
  cluster: string,
  nodes: readonly Place[],
  bin: string,
): Promise<void> {
  const program = (name: string, image: string): Image => ({
    name: image,
    entries: [{ kind: 'file', path: name, mode: 0o755, from: join(bin, name) }],
    config: { Entrypoint: [`/${name}`], User: '65534:65534' },
  })
  await importImages(cluster, nodes, [program('pause', PAUSE_IMAGE), program('coredns', DNS_IMAGE)])
}

/** Makes images and puts them on the nodes. */
export async function importImages(
  cluster: string,
  nodes: readonly Place[],
  images: readonly Image[],
): Promise<void> {
  const { folder } = clusterPaths(cluster)
  mkdirSync(folder, { recursive: true })
  const scratch = mkdtempSync(join(folder, 'images-'))
  try {
    for (const [index, image] of images.entries()) {
      const file = join(scratch, `${index}.tar`)
      await writeImage(file, image)
      await Promise.all(nodes.map((node) => importImage(node, file)))
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
