import { execFileSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { librariesOf } from '../kernels/programs.ts'

/** A shared library of this machine, the loader included. */
export interface Library {
  /** Where programs look for it. */
  readonly path: string
  readonly file: string
  /** The Debian package that it is from. */
  readonly package: string
}

/** Those that the programs link, directly or not. @throws Error for one that is of no package */
export function sharedLibraries(programs: readonly string[]): readonly Library[] {
  const paths = [...new Set(programs.flatMap(librariesOf))].sort()
  return paths.map((path) => {
    const file = realpathSync(path)
    return { path: path.slice(1), file, package: packageOf(file) }
  })
}

function packageOf(file: string): string {
  // Packages name files as they did before /lib became a link to /usr/lib, or after.
  for (const name of [file, file.replace(/^\/usr/, '')]) {
    try {
      const answer = execFileSync('dpkg-query', ['--search', name], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [found = ''] = answer.split(':')
      return found
    } catch {
      // Under the other name, then.
    }
  }
  throw new Error(`${file} is of no Debian package: its licence is not known, so it is not shipped`)
}
