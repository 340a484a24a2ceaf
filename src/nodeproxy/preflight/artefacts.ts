import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Where `npm run build` put what is not TypeScript: the same beside sources, compiled output and an
 * image.
 */
export function findArtefacts(): { objectDir: string; addon: string } {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const addon = join(folder, 'build/Release/sluice.node')
    const objectDir = join(folder, 'build/bpf')
    if (isThere(addon) && isThere(objectDir)) return { objectDir, addon }
    if (folder === dirname(folder)) {
      throw new Error('no build/bpf with build/Release/sluice.node in any folder above: not built')
    }
  }
}

/** Not existsSync(): that asks access(2), for which a plain user's capabilities do not count. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}
