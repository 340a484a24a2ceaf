// The container image, without a container engine: `npm run image`.
//   --output FILE    the archive: build/image/sluice-VERSION-ARCHITECTURE.tar
//   --folder FOLDER  the image's files instead, in a new folder (the Dockerfile's way)
// Equal sources give equal bytes; SOURCE_DATE_EPOCH (seconds) dates what is in it.
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildImage, withContents } from './image/build.ts'
import { readPackage } from './image/contents.ts'
import { writeFolder } from './image/folder.ts'
import { root } from './tools.ts'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { output: { type: 'string' }, folder: { type: 'string' } },
  })
  if (values.folder !== undefined) {
    const folder = resolve(values.folder)
    await withContents(async (entries) => writeFolder(folder, entries))
    process.stdout.write(`${folder}\n`)
    return
  }
  const usual = join(root, 'build/image', `sluice-${readPackage().version}-${process.arch}.tar`)
  const output = resolve(values.output ?? usual)
  mkdirSync(dirname(output), { recursive: true })
  const { name, digest, bytes } = await buildImage(output)
  process.stdout.write(`${output}\n${name}@${digest}, ${(bytes / 1e6).toFixed(1)} MB\n`)
}

try {
  await main()
} catch (error) {
  process.stderr.write(`image: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
