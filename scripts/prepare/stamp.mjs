import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './say.mjs'

/**
 * Hash of the contents of files and folders (of files whose name ends in one of `endings`), so that
 * what was built once is built again exactly when something it is made from changed.
 * @param {readonly string[]} paths relative to the project
 * @param {readonly string[]} endings
 */
export function fingerprint(paths, endings) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap((path) => filesUnder(path, endings)).sort()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

/**
 * @param {string} path relative to the project: a folder, or a file with any ending
 * @param {readonly string[]} endings
 * @returns {string[]} relative to the project
 */
export function filesUnder(path, endings) {
  try {
    return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length))
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    if (code === 'ENOTDIR') return [path]
    if (code === 'ENOENT') return []
    throw error
  }
}

/**
 * @param {string} name
 * @returns {string | undefined} what was noted under this name
 */
export function readStamp(name) {
  try {
    return readFileSync(stampPath(name), 'utf8')
  } catch {
    return undefined
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function writeStamp(name, value) {
  mkdirSync(dirname(stampPath(name)), { recursive: true })
  writeFileSync(stampPath(name), value)
}

/** @param {string} name */
function stampPath(name) {
  return join(root, 'build/.stamps', name)
}
