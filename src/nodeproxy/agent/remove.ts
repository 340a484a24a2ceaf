import type { AgentHandles } from './interfaces.ts'
import { closeListeners } from './listeners.ts'
import type { HeldNetns, PodRecord } from './record.ts'
import type { WorkResult } from './work-queue.ts'

/**
 * How long the listeners of a pod that left the mesh still accept: a connect that was rewritten
 * just before is on its way to them.
 */
export const leaveGraceMs = 1_000

/** New connections go direct from here on. Existing ones go on through the workers. */
export function leave(
  handles: AgentHandles,
  record: PodRecord,
  netns: HeldNetns,
  nowMs: number,
): void {
  handles.kernel.removePod(netns.cookie, 'left')
  handles.kernel.excludeNetns(netns.cookie)
  record.excluded = true
  record.leftAtMs = nowMs
}

/**
 * After the grace: nothing accepts any more, and the listeners are closed here and in the keeper.
 */
export async function finishLeaving(
  handles: AgentHandles,
  record: PodRecord,
  netns: HeldNetns,
  nowMs: number,
): Promise<WorkResult> {
  const waitMs = (record.leftAtMs ?? 0) + leaveGraceMs - nowMs
  if (waitMs > 0) return { againAfterMs: waitMs }
  await handles.audience.retire(record.podId, 'left')
  await handles.listeners.drop(netns.cookie)
  if (record.enrolled !== undefined) closeListeners(handles.native, record.enrolled.listeners)
  record.enrolled = undefined
  record.leftAtMs = undefined
  return { done: true }
}

/**
 * The pod's namespace is gone or going: everything about it goes, references first. Each step is
 * tried whatever the others did, since what stays behind would keep a dead namespace alive.
 *
 * @throws AggregateError of the steps that failed
 */
export async function forgetNetns(handles: AgentHandles, record: PodRecord): Promise<void> {
  const { netns, enrolled } = record
  if (netns === undefined) return
  const errors: unknown[] = []
  const attempt = async (step: () => void | Promise<void>): Promise<void> => {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  await attempt(() => handles.kernel.removePod(netns.cookie, 'ended'))
  if (enrolled !== undefined) {
    await attempt(() => handles.audience.retire(record.podId, 'ended'))
    await attempt(() => handles.listeners.drop(netns.cookie))
    await attempt(() => closeListeners(handles.native, enrolled.listeners))
  }
  await attempt(() => handles.native.closeFd(netns.fd))
  record.netns = undefined
  record.enrolled = undefined
  record.excluded = false
  record.leftAtMs = undefined
  record.connectionsBefore = new Set()
  record.connectionsBeforeOpen = 0
  if (errors.length > 0) {
    throw new AggregateError(
      errors,
      `clearing up after pod ${record.uid}: ${errors.map(String).join('; ')}`,
    )
  }
}
