import { closeSync, constants, openSync, statSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Native } from '../native.ts'
import { failed } from './errors.ts'
import { linkedProgram } from './identity.ts'
import type { Hook } from './objects.ts'
import { pinnedNames, repin, unpin } from './pins.ts'
import type { Undo } from './undo.ts'

/** A cgroup2 directory that hooks are attached to. */
export interface HookTarget {
  readonly dir: string
  readonly fd: number
  /** The cgroup's id, which is also what bpf_get_current_cgroup_id() gives. */
  readonly id: bigint
}

const cgroup2Magic = 0x63677270

/** @throws Error when the directory is not there, or not of a cgroup2 mount */
export function openTarget(dir: string, what: string): HookTarget {
  const attach = `attach to ${what} ${dir}`
  let fd: number
  try {
    fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw failed(attach, error, '; is cgroup v2 mounted there? run `sluice preflight`')
  }
  if (statfsSync(dir).type !== cgroup2Magic) {
    closeSync(fd)
    throw new Error(
      `cannot ${attach}: it is not on a cgroup2 mount; mount -t cgroup2 none <dir> and use that`,
    )
  }
  return { dir, fd, id: statSync(dir, { bigint: true }).ino }
}

export interface HookPins {
  readonly links: string
  readonly programs: string
}

/**
 * Named by the cgroup too: one that was made again is another one, and its dead link is not ours to
 * update.
 */
function linkPin(pins: HookPins, hook: Hook, target: HookTarget): string {
  return join(pins.links, `${hook.program}-${target.id}`)
}

/** The id of the program that this hook runs on this cgroup; undefined when it is not attached. */
export function attachedProgram(
  native: Native,
  pins: HookPins,
  hook: Hook,
  target: HookTarget,
): number | undefined {
  return linkedProgram(native, linkPin(pins, hook, target))
}

/**
 * Puts the program into the hook's pinned link in one step, or makes that link. The old program
 * comes back when the caller undoes.
 */
export function attachHook(
  native: Native,
  pins: HookPins,
  hook: Hook,
  use: { readonly progFd: number; readonly target: HookTarget },
  undo: Undo,
): void {
  const pin = linkPin(pins, hook, use.target)
  if (!updateLink(native, pin, use.progFd, join(pins.programs, hook.program), undo)) {
    createLink(native, hook, use, pin, undo)
  }
}

function createLink(
  native: Native,
  hook: Hook,
  use: { readonly progFd: number; readonly target: HookTarget },
  pin: string,
  undo: Undo,
): void {
  let link: number
  try {
    link = native.bpfLinkCreate(use.progFd, use.target.fd, hook.attachType)
  } catch (error) {
    throw failed(`attach ${hook.program} to ${use.target.dir}`, error)
  }
  try {
    native.bpfPin(link, pin)
    undo.add(() => removeLink(native, pin))
  } finally {
    native.closeFd(link) // without a pin this takes the hook away again
  }
}

/**
 * Exchanges the program of a pinned link; the pin in progs/ is the way back to the one that it ran
 * until now. False when there is no such pin.
 */
export function updateLink(
  native: Native,
  pin: string,
  progFd: number,
  oldProgramPin: string,
  undo: Undo,
): boolean {
  const update = (fd: number): boolean => {
    const link = native.bpfGetPinned(pin)
    if (link < 0) return false
    try {
      native.bpfLinkUpdate(link, fd)
    } finally {
      native.closeFd(link)
    }
    return true
  }
  if (!update(progFd)) return false
  undo.add(() => {
    const old = native.bpfGetPinned(oldProgramPin)
    if (old < 0) return
    update(old)
    native.closeFd(old)
  })
  return true
}

/** Detaches at once: the kernel frees a link that was only unpinned some time later. */
export function removeLink(native: Native, pin: string): void {
  const link = native.bpfGetPinned(pin)
  unpin(pin)
  if (link < 0) return
  try {
    native.bpfLinkDetach(link)
  } catch {
    // Tracepoint links cannot be detached, dead ones are: closing the last descriptor is all there
    // is to do.
  } finally {
    native.closeFd(link)
  }
}

/**
 * Links of these hooks to other cgroups than the live ones, which were configured or existed
 * before.
 */
export function removeStaleLinks(
  native: Native,
  pins: HookPins,
  live: readonly { readonly hook: Hook; readonly target: HookTarget }[],
  hooks: readonly Hook[],
): void {
  const wanted = new Set(live.map(({ hook, target }) => linkPin(pins, hook, target)))
  const programs = new Set(hooks.map(({ program }) => program))
  for (const name of pinnedNames(pins.links)) {
    const pin = join(pins.links, name)
    const program = name.slice(0, name.lastIndexOf('-'))
    if (programs.has(program) && !wanted.has(pin)) removeLink(native, pin)
  }
}

/** From here on a failed update goes back to this program. */
export function pinProgram(native: Native, pins: HookPins, name: string, progFd: number): void {
  repin(native, progFd, join(pins.programs, name))
}
