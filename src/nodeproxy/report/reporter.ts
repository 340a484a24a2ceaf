import { createBackOff } from '../../model/back-off.ts'
import type { NodeState } from '../../model/report.ts'
import { reportsBetween } from '../../model/report-diff.ts'
import { decodeReportAnswer, encodeReport } from '../../model/wire/report-message.ts'
import type { Clock } from '../config/interfaces.ts'
import type { ReportFeed } from './report-feed.ts'

/** A stream of reports, as its transport has it. */
export interface ReportChannel {
  /** @returns false: it is full, and onDrain says when it is not any more */
  write(bytes: Uint8Array): boolean
  close(): void
}

export interface ReportChannelHandlers {
  onDrain(): void
  onMessage(bytes: Uint8Array): void
  /**
   * @param again false: not on this connection; the operator is older, or another stream reports
   */
  onEnd(again: boolean): void
}

export interface ReporterOptions {
  readonly feed: ReportFeed
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly open: (handlers: ReportChannelHandlers) => ReportChannel
}

/** What changes without a word, as numbers do, is looked at so often. */
const lookMs = 5_000
/** Many pods change at once when a node starts. */
const gatherMs = 100
const retry = { firstMs: 1_000, maxMs: 60_000 }

/**
 * Tells the operator what is different, as long as it is connected. What the channel cannot take is
 * not queued: once it can, what is different by then is told. @returns what ends it
 */
export function startReporter({ feed, clock, random, open }: ReporterOptions): () => void {
  const backOff = createBackOff({ ...retry, random })
  let channel: ReportChannel | undefined
  /** What the operator knows; pods that it did not take are missing. */
  let told: NodeState | undefined
  let full = false
  let stopped = false
  /** A stream has failed: the next one is not opened before its time. */
  let resting = false
  let cancelGather: (() => void) | undefined
  let cancelLook = clock.after(0, look)

  function look(): void {
    cancelLook = clock.after(lookMs, look)
    resting = false
    tell()
  }

  function tell(): void {
    const now = full || stopped ? undefined : feed.read()
    if (now === undefined) return
    const reports = reportsBetween(told, now)
    if (reports.length === 0) return
    channel ??= open(untilEnd({ onDrain, onMessage, onEnd }))
    told = now
    for (const report of reports) full = !channel.write(encodeReport(report)) || full
  }

  function onMessage(bytes: Uint8Array): void {
    const dropped = decodeReportAnswer(bytes)
    if (!dropped.ok || told === undefined) return
    const pods = new Map(told.pods)
    for (const uid of dropped.value) pods.delete(uid)
    told = { ...told, pods }
    backOff.reset()
  }

  function onDrain(): void {
    full = false
    tell()
  }

  function onEnd(again: boolean): void {
    channel = undefined
    told = undefined
    full = false
    cancelLook()
    resting = true
    if (!stopped && again) cancelLook = clock.after(backOff.nextMs(), look)
    else stop()
  }

  const stopListening = feed.onChange(() => {
    if (resting) return
    cancelGather ??= clock.after(gatherMs, () => {
      cancelGather = undefined
      tell()
    })
  })

  function stop(): void {
    if (stopped) return
    stopped = true
    cancelLook()
    cancelGather?.()
    stopListening()
    channel?.close()
  }
  return stop
}

/** Nothing is heard of a channel that has ended: another one may be open. */
function untilEnd(handlers: ReportChannelHandlers): ReportChannelHandlers {
  let ended = false
  return {
    onDrain: () => void (ended || handlers.onDrain()),
    onMessage: (bytes) => void (ended || handlers.onMessage(bytes)),
    onEnd(again) {
      if (ended) return
      ended = true
      handlers.onEnd(again)
    },
  }
}
