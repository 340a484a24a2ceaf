import { join } from 'node:path'
import type { BpfMapInfo, Native } from '../native.ts'
import { u32Bytes } from './layout.ts'
import { type MapFds, mapNames } from './maps.ts'
import { traceHooks } from './objects.ts'
import type { PinPaths } from './pins.ts'

/**
 * What stands behind the pins of a node, by numbers that the kernel gives to nothing else before
 * the next boot: names say nothing of who loaded what they stand for. Without the pods' own
 * programs and without links to cgroups, which come and go between starts.
 */
export interface PinnedIdentity {
  /** Pin in progs/ -> id and tag. */
  readonly programs: Readonly<Record<string, string>>
  readonly maps: Readonly<Record<string, BpfMapInfo['id']>>
  /** Pin in links/ -> id of the program that the tracepoint runs. */
  readonly tracepoints: Readonly<Record<string, number>>
  /** Id of the program that the attached sk_msg program calls. */
  readonly verdict: number
}

/** What is not there is missing in the answer. */
export function identify(
  native: Native,
  pins: PinPaths,
  maps: MapFds,
  programs: readonly string[],
): PinnedIdentity {
  const of = <T>(paths: readonly (readonly [string, string])[], ask: (fd: number) => T) =>
    Object.fromEntries(
      paths.flatMap(([name, path]) => {
        const found = askPinned(native, path, ask)
        return found === undefined ? [] : [[name, found] as const]
      }),
    )
  const verdict = new Uint8Array(4)
  native.bpfMapLookup(maps.verdicts, u32Bytes(0), verdict)
  return {
    programs: of(
      programs.map((name) => [name, join(pins.programs, name)]),
      (fd) => {
        const { id, tag } = native.bpfProgInfo(fd)
        return `${id} ${tag}`
      },
    ),
    maps: Object.fromEntries(mapNames.map((name) => [name, native.bpfMapInfo(maps[name]).id])),
    tracepoints: of(
      traceHooks.map(({ program }) => [program, join(pins.links, program)]),
      (fd) => native.bpfLinkProgram(fd),
    ),
    verdict: new DataView(verdict.buffer).getUint32(0, true),
  }
}

export function isSame(one: PinnedIdentity, other: PinnedIdentity): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** The id of the program that a pinned link runs; undefined when there is no such pin. */
export function linkedProgram(native: Native, path: string): number | undefined {
  return askPinned(native, path, (fd) => native.bpfLinkProgram(fd))
}

export function pinnedProgram(native: Native, path: string): number | undefined {
  return askPinned(native, path, (fd) => native.bpfProgInfo(fd).id)
}

function askPinned<T>(native: Native, path: string, ask: (fd: number) => T): T | undefined {
  const fd = native.bpfGetPinned(path)
  if (fd < 0) return undefined
  try {
    return ask(fd)
  } finally {
    native.closeFd(fd)
  }
}
