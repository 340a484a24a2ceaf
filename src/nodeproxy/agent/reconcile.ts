import { statSync } from 'node:fs'
import type { PodEnrolment } from '../../model/resources.ts'
import { sandboxedRuntime } from '../../model/sandbox.ts'
import { addressList, checkAddresses } from './addresses.ts'
import type { PodCgroup } from './cgroup-tree.ts'
import { enrol, inForce } from './enrol.ts'
import { allListen } from './listeners.ts'
import type { AgentHandles } from './interfaces.ts'
import { netnsOfPod } from './netns-of-pod.ts'
import { resetOlderConnections } from './older-connections.ts'
import { type Enrolled, type HeldNetns, type PodRecord, setState } from './record.ts'
import { finishLeaving, forgetNetns, leave, leaveGraceMs } from './remove.ts'
import { sandboxShim } from './sandbox.ts'
import type { WorkResult } from './work-queue.ts'

export interface ReconcileContext {
  readonly handles: AgentHandles
  readonly procDir: string
  /** Inode of the node's own network namespace. */
  readonly nodeInode: bigint
  readonly nowMs: () => number
  /** The pod's cgroup; undefined when it is gone. */
  readonly cgroupOf: (uid: string) => PodCgroup | undefined
  /** uid of another pod that holds this address in the mesh. */
  readonly ownerOf: (address: string, except: string) => string | undefined
  /** That pod may have ended: have a look at it. */
  readonly lookAgain: (uid: string) => void
  /** The listeners of this pod were destroyed; new ones are about to be made. */
  readonly listenersLost: (uid: string) => void
  /** Its connections came to others than these listeners; that is about to end. */
  readonly steeredElsewhere: (uid: string) => void
  /** Connections older than the enrolment of this pod could not be reset. */
  readonly olderStay: (uid: string, why: string) => void
}

const done: WorkResult = { done: true }
/** A runtime's first process joins the pod's cgroup before its namespace; this long it may take. */
const startGraceMs = 10_000
/** Root in a pod may destroy its listeners all the time; the agent has other pods to look after. */
const replaceEveryMs = 1_000

/**
 * Brings one pod from what is to what shall be; level-triggered, so it may run at any time and any
 * number of times. Throws when a step failed, with nothing half-applied; the caller repeats it with
 * back-off.
 */
export async function reconcilePod(
  context: ReconcileContext,
  record: PodRecord,
): Promise<WorkResult> {
  const now = context.nowMs()
  const cgroup = context.cgroupOf(record.uid)
  const found =
    cgroup === undefined
      ? ({ kind: 'empty' } as const)
      : netnsOfPod(cgroup, context.procDir, context.nodeInode, record.netns?.inode)
  const moved =
    record.netns !== undefined && (found.kind !== 'own' || found.inode !== record.netns.inode)
  if (moved) await forgetNetns(context.handles, record)
  if (found.kind === 'empty') {
    setState(record, 'starting', 'no process', now)
    return done
  }
  if (found.kind === 'node') return inNodeNetns(context, record, now)
  record.inNodeNetnsSinceMs = undefined
  const enrolment = context.handles.enrolments.get(record.uid)
  if (nothingNew(context, record, enrolment)) return done
  const facts = await inspect(context.handles, found, record.netns)
  record.netns = facts.netns
  if (enrolment === undefined) return unknownPod(record, now)
  if (!enrolment.enrolled) return excludePod(context, record, facts.netns, enrolment)
  return enrolPod(context, record, { ...facts, pid: found.pid }, enrolment)
}

/** Most runs end here: what is in force follows from the very same object. */
function nothingNew(
  { handles }: ReconcileContext,
  record: PodRecord,
  enrolment: PodEnrolment | undefined,
): boolean {
  if (record.netns === undefined || enrolment === undefined) return false
  if (record.leftAtMs !== undefined) return false
  if (!enrolment.enrolled) return record.excluded && record.reason === enrolment.reason
  const { enrolled } = record
  return enrolled?.enrolment === enrolment && isServed(handles, enrolled)
}

function isServed({ native, kernel }: AgentHandles, { addresses, listeners }: Enrolled): boolean {
  return allListen(native, listeners) && kernel.isSteeredTo({ ...addresses, listeners })
}

/** What it was stays: a pod that configuration no longer names is about to end. */
function unknownPod(record: PodRecord, now: number): WorkResult {
  if (record.enrolled === undefined && !record.excluded) {
    setState(record, 'unknown', 'configuration has not named this pod yet', now)
  }
  return done
}

function inNodeNetns(context: ReconcileContext, record: PodRecord, now: number): WorkResult {
  record.inNodeNetnsSinceMs ??= now
  const waitedMs = now - record.inNodeNetnsSinceMs
  const says = context.handles.enrolments.get(record.uid)
  if (waitedMs < startGraceMs && says?.reason.startsWith('hostNetwork') !== true) {
    setState(record, 'starting', "its processes are in the node's network namespace so far", now)
    return { againAfterMs: Math.max(10, Math.min(waitedMs / 2, 500)) }
  }
  const reason = "hostNetwork: it shares the node's network namespace, which is never enrolled"
  setState(record, 'excluded', reason, now)
  return done
}

async function inspect(
  handles: AgentHandles,
  found: { path: string; inode: bigint },
  held: HeldNetns | undefined,
): Promise<{ netns: HeldNetns; inside: readonly string[] }> {
  const fd = held?.fd ?? handles.native.netnsOpen(found.path)
  try {
    const inode = statSync(`/proc/self/fd/${fd}`, { bigint: true }).ino
    if (inode !== found.inode) {
      throw new Error(
        `pod's network namespace changed while ${found.path} was opened; looking again`,
      )
    }
    const { cookie, addresses } = await handles.native.netnsInspect(fd)
    return { netns: { fd, inode, cookie }, inside: addresses }
  } catch (error) {
    if (held === undefined) handles.native.closeFd(fd)
    throw error
  }
}

function excludePod(
  context: ReconcileContext,
  record: PodRecord,
  netns: HeldNetns,
  enrolment: PodEnrolment,
): WorkResult | Promise<WorkResult> {
  const now = context.nowMs()
  if (record.enrolled !== undefined && record.leftAtMs === undefined) {
    leave(context.handles, record, netns, now)
    setState(record, 'excluded', enrolment.reason, now)
    return { againAfterMs: leaveGraceMs }
  }
  if (record.leftAtMs !== undefined) return finishLeaving(context.handles, record, netns, now)
  if (!record.excluded) context.handles.kernel.excludeNetns(netns.cookie)
  record.excluded = true
  setState(record, 'excluded', enrolment.reason, now)
  return done
}

async function enrolPod(
  context: ReconcileContext,
  record: PodRecord,
  facts: { netns: HeldNetns; inside: readonly string[]; pid: number },
  enrolment: PodEnrolment,
): Promise<WorkResult> {
  const { enrolled } = record
  const shim = enrolled === undefined ? sandboxShim(context.procDir, facts.pid) : undefined
  if (shim !== undefined) {
    const reason = sandboxedRuntime(`its shim is ${shim}`)
    return excludePod(context, record, facts.netns, { ...enrolment, reason })
  }
  const owner = (address: string): string | undefined => context.ownerOf(address, record.uid)
  const check = checkAddresses(enrolment.addresses, facts.inside, owner)
  if (!check.ok) throw new Error(check.reason)
  for (const address of addressList(check.addresses)) {
    const other = owner(address)
    if (other === undefined) continue
    context.lookAgain(other)
    throw new Error(
      `address ${address} is still held by pod ${other}; ` +
        'if that one has ended this solves itself, else two pods claim one address',
    )
  }
  if (enrolled !== undefined && record.leftAtMs === undefined) {
    if (!allListen(context.handles.native, enrolled.listeners)) {
      const waitMs = (record.replacedAtMs ?? 0) + replaceEveryMs - context.nowMs()
      if (waitMs > 0) return { againAfterMs: waitMs }
      record.replacedAtMs = context.nowMs()
      context.listenersLost(record.uid)
    } else if (!isServed(context.handles, enrolled)) {
      context.steeredElsewhere(record.uid)
    } else if (inForce(enrolled, enrolment, check.addresses)) {
      record.enrolled = { ...enrolled, enrolment }
      await resetOlderConnections(context, record)
      return done
    }
  }
  const startUs = performance.now() * 1000
  const pid = { procDir: context.procDir, pid: facts.pid }
  record.enrolled = await enrol(
    context.handles,
    record,
    facts.netns,
    enrolment,
    check.addresses,
    pid,
  )
  record.enrolMicroseconds = Math.round(performance.now() * 1000 - startUs)
  record.leftAtMs = undefined
  record.excluded = false
  setState(record, 'enrolled', '', context.nowMs())
  // An earlier proxy may have done it.
  record.sinceMs = context.handles.kernel.enrolledSinceMs(facts.netns.cookie) ?? record.sinceMs
  await resetOlderConnections(context, record)
  return done
}
