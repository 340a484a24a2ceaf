import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Where `npm run build` put what is not TypeScript: the same beside sources, compiled output and an
 * image.
 */
export function findArtefacts(): { objectDir: string; addon: string } {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const addon = join(folder, 'build/Release/sluice.node')
    const objectDir = join(folder, 'build/bpf')
    if (existsSync(addon) && existsSync(objectDir)) return { objectDir, addon }
    if (folder === dirname(folder)) {
      throw new Error('no build/bpf with build/Release/sluice.node in any folder above: not built')
    }
  }
}
