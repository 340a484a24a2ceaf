import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The version of the package that this file is part of, compiled or not. */
export function packageVersion(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const text = readIfThere(join(folder, 'package.json'))
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version
    if (folder === dirname(folder))
      throw new Error('no package.json in any folder above the program')
  }
}

/** Not existsSync(): that asks access(2), for which a plain user's capabilities do not count. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
