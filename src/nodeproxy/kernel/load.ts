import { join } from 'node:path'
import type { BpfObject, Native } from '../native.ts'
import { textOf } from './errors.ts'
import type { MapFds, MapName } from './maps.ts'
import { mapNames } from './maps.ts'
import { optionalObjects, requiredObjects } from './objects.ts'

export interface LoadedObjects {
  /** All maps, by name; they live until close(). */
  readonly maps: MapFds
  /** Undefined when the object that holds the program was rejected. */
  program(name: string): number | undefined
  /** A program once more with one constant exchanged; its descriptor is the caller's. */
  copyProgram(name: string, placeholder: bigint, value: bigint): number
  /** Object name -> why it was rejected. */
  readonly rejected: Readonly<Record<string, string>>
  close(): void
}

export interface LoadRequest {
  readonly objectDir: string
  /** Maps that exist already. */
  readonly reuse: Partial<Record<MapName, number>>
  readonly maxEntries: Partial<Record<MapName, number>>
}

/**
 * Loads all object files with one set of maps; attaches nothing. An optional object that this
 * kernel rejects is reported and left out; a required one makes the whole call fail, with what the
 * verifier said.
 */
export function loadObjects(native: Native, request: LoadRequest): LoadedObjects {
  const objects: BpfObject[] = []
  const rejected: Record<string, string> = {}
  let maps: Readonly<Record<string, number>> = request.reuse
  const load = (name: string): void => {
    const path = join(request.objectDir, `${name}.bpf.o`)
    const object = native.bpfLoad(path, { reuse: maps, maxEntries: request.maxEntries })
    objects.push(object)
    if (objects.length === 1) maps = object.maps // every object declares every map
  }
  const close = (): void => {
    for (const object of objects.splice(0)) object.close()
  }
  try {
    for (const name of requiredObjects) load(name)
    for (const name of optionalObjects) {
      try {
        load(name)
      } catch (error) {
        rejected[name] = reasonOf(error)
      }
    }
    return {
      maps: allMaps(maps),
      rejected,
      close,
      program: (name) => findObject(objects, name)?.programs[name],
      copyProgram: (name, placeholder, value) => {
        const object = findObject(objects, name)
        if (object === undefined) throw new Error(`the BPF objects hold no program '${name}'`)
        return object.copyProgram(name, placeholder, value)
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function findObject(objects: readonly BpfObject[], program: string): BpfObject | undefined {
  return objects.find((object) => object.programs[program] !== undefined)
}

/**
 * The program's descriptor. @throws Error when its object was rejected: callers ask for required
 * ones only
 */
export function requireProgram(loaded: LoadedObjects, name: string): number {
  const fd = loaded.program(name)
  if (fd === undefined) throw new Error(`the BPF objects hold no program '${name}': rebuild them`)
  return fd
}

function allMaps(maps: Readonly<Record<string, number>>): MapFds {
  const missing = mapNames.filter((name) => maps[name] === undefined)
  if (missing.length > 0) {
    throw new Error(`the BPF objects hold no map ${missing.join(', ')}: rebuild them`)
  }
  return maps
}

/** What the kernel said, on one line. */
function reasonOf(error: unknown): string {
  return textOf(error).split('\n').slice(0, 2).join(': ')
}
