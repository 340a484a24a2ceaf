import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Native } from '../native.ts'
import { ownNetnsPlaceholder } from './abi.ts'
import { type HookPins, removeLink, updateLink } from './hooks.ts'
import { linkedProgram, pinnedProgram } from './identity.ts'
import type { LoadedObjects } from './load.ts'
import { lookupHook } from './objects.ts'
import { pinnedNames, repin, unpin } from './pins.ts'
import type { Undo } from './undo.ts'

/** What the sk_lookup programs of all pods need of the node. */
export interface LookupContext {
  readonly native: Native
  readonly pins: HookPins
  readonly loaded: LoadedObjects
}

const prefix = `${lookupHook.program}-`

/**
 * Links `netnsFd` to a copy of the program that knows whose it is; there is one already: nothing
 * happens.
 */
export function attachLookup(
  { native, pins, loaded }: LookupContext,
  netnsCookie: bigint,
  netnsFd: number,
  undo: Undo,
): void {
  const name = `${prefix}${netnsCookie}`
  const present = native.bpfGetPinned(join(pins.links, name))
  if (present >= 0) {
    native.closeFd(present)
    return
  }
  const progFd = loaded.copyProgram(lookupHook.program, ownNetnsPlaceholder, netnsCookie)
  try {
    const link = native.bpfLinkCreate(progFd, netnsFd, lookupHook.attachType)
    try {
      undo.add(() => detachLookup({ native, pins }, netnsCookie))
      native.bpfPin(link, join(pins.links, name))
      repin(native, progFd, join(pins.programs, name))
    } finally {
      native.closeFd(link)
    }
  } finally {
    native.closeFd(progFd)
  }
}

export function detachLookup(
  { native, pins }: Pick<LookupContext, 'native' | 'pins'>,
  netnsCookie: bigint,
): void {
  const name = `${prefix}${netnsCookie}`
  removeLink(native, join(pins.links, name))
  unpin(join(pins.programs, name))
}

/**
 * When the pod's link was made, on the clock of Date.now(): an update of its program leaves the
 * pin. Undefined: it has none.
 */
export function lookupSinceMs(
  { pins }: Pick<LookupContext, 'pins'>,
  netnsCookie: bigint,
): number | undefined {
  const pin = join(pins.links, `${prefix}${netnsCookie}`)
  return statSync(pin, { throwIfNoEntry: false })?.mtimeMs
}

/**
 * Puts copies of the new program into the links of all pods. The function that comes back makes
 * them the ones that a later undo returns to.
 */
export function updateLookups(
  native: Native,
  pins: HookPins,
  loaded: LoadedObjects,
  undo: Undo,
): () => void {
  const copies = new Map<string, number>()
  undo.add(() => closeAll(native, copies))
  for (const name of pinnedNames(pins.links)) {
    if (!name.startsWith(prefix)) continue
    const cookie = BigInt(name.slice(prefix.length))
    const progFd = loaded.copyProgram(lookupHook.program, ownNetnsPlaceholder, cookie)
    copies.set(name, progFd)
    try {
      updateLink(native, join(pins.links, name), progFd, join(pins.programs, name), undo)
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOLINK') throw error
      // Its netns is gone: there is only the pin left.
      native.closeFd(progFd)
      copies.delete(name)
      detachLookup({ native, pins }, cookie)
    }
  }
  return () => {
    for (const [name, progFd] of copies) repin(native, progFd, join(pins.programs, name))
    closeAll(native, copies)
  }
}

/** Whether each pod's link runs the program that is pinned for it: its update was not cut short. */
export function lookupsAreKnown(native: Native, pins: HookPins): boolean {
  return pinnedNames(pins.links)
    .filter((name) => name.startsWith(prefix))
    .every((name) => {
      const pinned = pinnedProgram(native, join(pins.programs, name))
      return pinned !== undefined && pinned === linkedProgram(native, join(pins.links, name))
    })
}

function closeAll(native: Native, copies: Map<string, number>): void {
  for (const progFd of copies.values()) native.closeFd(progFd)
  copies.clear()
}
