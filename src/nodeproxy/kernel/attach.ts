import { join } from 'node:path'
import type { Native } from '../native.ts'
import { must } from './errors.ts'
import {
  attachedProgram,
  attachHook,
  type HookPins,
  type HookTarget,
  pinProgram,
  removeStaleLinks,
} from './hooks.ts'
import type { FeatureState } from './kernel.ts'
import { u32Bytes } from './layout.ts'
import { type LoadedObjects, requireProgram } from './load.ts'
import { lookupsAreKnown, updateLookups } from './lookups.ts'
import {
  calledPrograms,
  type Hook,
  kubeletHook,
  podHooks,
  traceHooks,
  verdictHook,
  verdictProgram,
} from './objects.ts'
import { repin, unpin } from './pins.ts'
import { createUndo, type Undo } from './undo.ts'

export interface AttachContext {
  readonly native: Native
  readonly pins: HookPins
  readonly loaded: LoadedObjects
  readonly pods: HookTarget
  /** Undefined: none is configured, or it is not there now. */
  readonly kubelet: HookTarget | undefined
  readonly noKubeletReason: string
}

/**
 * Brings all programs into their places. Each place is exchanged in one step, so there is no moment
 * without a program; on an error `undo` brings back those that ran before.
 */
export function attachAll(context: AttachContext, undo: Undo): FeatureState[] {
  const { native, pins, loaded } = context
  const acceleration = attachVerdict(context, undo)
  const pinLookups = updateLookups(native, pins, loaded, undo)
  const attached = wantedHooks(context)
  for (const { hook, target } of attached) {
    const progFd = requireProgram(loaded, hook.program)
    attachHook(native, pins, hook, { progFd, target }, undo)
  }
  const tracepoints = attachTracepoints(context)
  // Nothing fails any more: what follows only makes these programs the ones to go back to.
  removeStaleLinks(native, pins, attached, [...podHooks, kubeletHook])
  for (const name of programsToPin(context)) {
    pinProgram(native, pins, name, requireProgram(loaded, name))
  }
  pinLookups()
  return [
    { name: 'hooks', on: true, reason: '' },
    acceleration,
    stateOf(context, 'setsockopt', 'sockopt'),
    tracepoints,
    kubeletState(context),
  ]
}

/**
 * Attaches what has no live link: a cgroup that was removed and made again, as the kubelet's is on
 * each of its restarts, took its links with it. Returns the programs that were attached.
 */
export function reattach(context: AttachContext): string[] {
  const { native, pins, loaded } = context
  const wanted = wantedHooks(context)
  const missing = wanted.filter(
    ({ hook, target }) => attachedProgram(native, pins, hook, target) === undefined,
  )
  const undo = createUndo()
  try {
    for (const { hook, target } of missing) {
      const progFd = requireProgram(loaded, hook.program)
      attachHook(native, pins, hook, { progFd, target }, undo)
    }
  } catch (error) {
    undo.run()
    throw error
  }
  const hooks = wanted.map(({ hook }) => hook)
  if (missing.length > 0) removeStaleLinks(native, pins, wanted, hooks)
  return missing.map(({ hook }) => hook.program)
}

/** The hooks on cgroups that this kernel loads, in the order of going live. */
function wantedHooks({ loaded, pods, kubelet }: AttachContext): AttachedHook[] {
  const all: AttachedHook[] = podHooks.map((hook) => ({ hook, target: pods }))
  if (kubelet !== undefined) all.push({ hook: kubeletHook, target: kubelet })
  return all.filter(({ hook }) => loaded.program(hook.program) !== undefined)
}

interface AttachedHook {
  readonly hook: Hook
  readonly target: HookTarget
}

/** By these pins a failed update goes back to what ran before, and a restart finds its programs. */
export function programsToPin(context: AttachContext): readonly string[] {
  const hooks = wantedHooks(context).map(({ hook }) => hook.program)
  // The kubelet's cgroup may appear later, or be away just now.
  const ifLoaded = [kubeletHook.program, verdictProgram].filter(
    (name) => context.loaded.program(name) !== undefined,
  )
  return [...new Set([...hooks, ...calledPrograms, ...ifLoaded])]
}

/**
 * Whether everything that attachAll() would attach is attached to these very targets, and is these
 * very programs.
 */
export function isWhole(context: AttachContext): boolean {
  const { native, pins, loaded, kubelet } = context
  const hooks = wantedHooks(context)
  // Loaded by nobody so far where the kubelet's cgroup was not there.
  const { program, object } = kubeletHook
  if (kubelet !== undefined && loaded.rejected[object] === undefined) {
    if (loaded.program(program) === undefined) return false
  }
  const runsOurs = ({ hook, target }: AttachedHook): boolean => {
    const { id } = native.bpfProgInfo(requireProgram(loaded, hook.program))
    return attachedProgram(native, pins, hook, target) === id
  }
  return hooks.every(runsOurs) && lookupsAreKnown(native, pins)
}

function stateOf(
  { loaded }: AttachContext,
  name: FeatureState['name'],
  object: string,
): FeatureState {
  const reason = loaded.rejected[object]
  return reason === undefined ? { name, on: true, reason: '' } : { name, on: false, reason }
}

/**
 * verdicts[0] reaches sockets that are in the sockhash already; what is attached, only those that
 * come.
 */
function attachVerdict(context: AttachContext, undo: Undo): FeatureState {
  const { native, loaded, pins } = context
  const entry = loaded.program(verdictHook.program)
  const verdict = loaded.program(verdictProgram)
  const state = stateOf(context, 'acceleration', verdictHook.object)
  if (entry === undefined || verdict === undefined) return state
  const put = (fd: number): number =>
    native.bpfMapUpdate(loaded.maps.verdicts, u32Bytes(0), u32Bytes(fd), 0)
  must('put the verdict program into verdicts[0]', put(verdict))
  undo.add(() => {
    const old = native.bpfGetPinned(join(pins.programs, verdictProgram))
    if (old < 0) return
    put(old)
    native.closeFd(old)
  })
  native.bpfProgAttach(entry, loaded.maps.sockets, verdictHook.attachType)
  return state
}

export function kubeletState(context: AttachContext): FeatureState {
  const state = stateOf(context, 'probes', kubeletHook.object)
  if (!state.on || context.kubelet !== undefined) return state
  return { name: 'probes', on: false, reason: context.noKubeletReason }
}

/**
 * These links cannot exchange their program: the new one runs beside the old one until the pin is
 * replaced.
 */
function attachTracepoints(context: AttachContext): FeatureState {
  const { native, pins, loaded } = context
  const state = stateOf(context, 'tracepoints', 'trace')
  const missing: string[] = []
  for (const hook of traceHooks) {
    const progFd = loaded.program(hook.program)
    const pin = join(pins.links, hook.program)
    if (progFd === undefined) {
      unpin(pin)
      continue
    }
    const link = native.bpfAttachTracepoint(progFd, 'syscalls', hook.tracepoint)
    if (link < 0) {
      missing.push(hook.tracepoint)
      continue
    }
    repin(native, link, pin)
    native.closeFd(link)
  }
  if (missing.length === 0) return state
  const reason =
    `this kernel has no tracepoint ${missing.join(', ')}: an app that turns a socket ` +
    'blocking is only noticed when it sends, one that reads by splice(2) is not'
  return { name: 'tracepoints', on: false, reason }
}
