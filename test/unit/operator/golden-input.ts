import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const goldenFolder = join(import.meta.dirname, '../../golden/compile')

/** Text of a file of the golden pairs. */
export function readGolden(file: string): string {
  return readFileSync(join(goldenFolder, file), 'utf8')
}
