import { join } from 'node:path'
import type { Native } from '../native.ts'
import { must } from './errors.ts'
import {
  attachHook,
  type HookPins,
  type HookTarget,
  pinProgram,
  removeStaleLinks,
} from './hooks.ts'
import type { FeatureState } from './kernel.ts'
import { u32Bytes } from './layout.ts'
import { type LoadedObjects, requireProgram } from './load.ts'
import { updateLookups } from './lookups.ts'
import { type Hook, kubeletHook, podHooks, traceHooks, verdictHook } from './objects.ts'
import { verdictProgram } from './objects.ts'
import { repin, unpin } from './pins.ts'
import type { Undo } from './undo.ts'

export interface AttachContext {
  readonly native: Native
  readonly pins: HookPins
  readonly loaded: LoadedObjects
  readonly pods: HookTarget
  readonly kubelet: HookTarget | undefined
}

/**
 * Brings all programs into their places. Each place is exchanged in one step, so there is no moment
 * without a program; on an error `undo` brings back those that ran before.
 */
export function attachAll(context: AttachContext, undo: Undo): FeatureState[] {
  const { native, pins, loaded } = context
  const acceleration = attachVerdict(context, undo)
  const pinLookups = updateLookups(native, pins, loaded, undo)
  const attached: { hook: Hook; target: HookTarget }[] = []
  for (const hook of podHooks) {
    const progFd = loaded.program(hook.program)
    if (progFd === undefined) continue
    attachHook(native, pins, hook, { progFd, target: context.pods }, undo)
    attached.push({ hook, target: context.pods })
  }
  const probes = attachKubelet(context, undo)
  if (probes.on && context.kubelet !== undefined) {
    attached.push({ hook: kubeletHook, target: context.kubelet })
  }
  const tracepoints = attachTracepoints(context)
  // Nothing fails any more: what follows only makes these programs the ones to go back to.
  removeStaleLinks(native, pins, attached, [...podHooks, kubeletHook])
  for (const { hook } of attached) pinLoaded(context, hook.program)
  pinLookups()
  if (acceleration.on) pinLoaded(context, verdictProgram)
  return [
    { name: 'hooks', on: true, reason: '' },
    acceleration,
    stateOf(context, 'setsockopt', 'sockopt'),
    tracepoints,
    probes,
  ]
}

function pinLoaded({ native, pins, loaded }: AttachContext, program: string): void {
  pinProgram(native, pins, program, requireProgram(loaded, program))
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


function attachKubelet(context: AttachContext, undo: Undo): FeatureState {
  const state = stateOf(context, 'probes', kubeletHook.object)
  const progFd = context.loaded.program(kubeletHook.program)
  if (progFd === undefined) return state
  if (context.kubelet === undefined) {
    const reason =
      "no kubelet cgroup is configured: its probes reach pods through the proxy's policy"
    return { name: 'probes', on: false, reason }
  }
  const use = { progFd, target: context.kubelet }
  attachHook(context.native, context.pins, kubeletHook, use, undo)
  return state
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
