import { existsSync, type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type LoadedYaml, loadYaml } from '../compile/load-yaml.ts'

/** Objects out of YAML files; of a file that cannot be parsed, those it had when it last could. */
export interface YamlFiles {
  /** Reads all again. @returns what is wrong with files, each with place and fix */
  read(): readonly string[]
  objects(): readonly unknown[]
  placeOf(object: unknown): string | undefined
  /** Calls back, some time after something changed in one of the places. Gives what ends it. */
  watch(onChange: () => void): () => void
}

/** @param paths files, or folders of which every *.yaml, *.yml and *.json is read */
export function createYamlFiles(paths: readonly string[]): YamlFiles {
  let loaded = new Map<string, LoadedYaml>()

  return {
    read() {
      const errors: string[] = []
      const now = new Map<string, LoadedYaml>()
      for (const path of paths) {
        for (const file of filesAt(path, errors)) {
          const fresh = load(file)
          const before = loaded.get(file)
          if (fresh.errors.length === 0) now.set(file, fresh)
          else if (before !== undefined) now.set(file, before)
          const kept = before === undefined ? 'none of it is used' : 'its last good version stays'
          for (const error of fresh.errors) errors.push(`${error}; ${kept}`)
        }
      }
      loaded = now
      return errors
    },
    objects: () => [...loaded.values()].flatMap(({ objects }) => objects),
    placeOf(object) {
      for (const { places } of loaded.values()) {
        const place = places.get(object)
        if (place !== undefined) return place
      }
      return undefined
    },
    watch(onChange) {
      const watchers = paths.flatMap((path) => watchPath(path, onChange))
      return () => {
        for (const watcher of watchers) watcher.close()
      }
    },
  }
}

function filesAt(path: string, errors: string[]): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path)
      .filter((name) => /\.(ya?ml|json)$/.test(name))
      .sort()
      .map((name) => join(path, name))
  } catch (error) {
    errors.push(`${path} cannot be read: ${causeOf(error)}: name a file or folder that exists`)
    return []
  }
}

function load(file: string): LoadedYaml {
  try {
    return loadYaml(readFileSync(file, 'utf8'), file)
  } catch (error) {
    const message = `${file} cannot be read: ${causeOf(error)}: check that it is there and readable`
    return { objects: [], errors: [message], places: new Map() }
  }
}

/**
 * A file's folder is watched: editors replace files, and a watch on the old one would see nothing.
 * Where there is no such folder nothing is watched; read() has complained about it.
 */
function watchPath(path: string, onChange: () => void): readonly FSWatcher[] {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  const folder = isFolder ? path : dirname(path)
  if (!existsSync(folder)) return []
  const watcher = watch(folder, (_, name) => {
    if (isFolder || name === null || name === basename(path)) onChange()
  })
  return [watcher]
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
