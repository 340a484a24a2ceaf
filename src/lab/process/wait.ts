import { setTimeout as sleep } from 'node:timers/promises'

const DEFAULT_TIMEOUT_MS = 20_000
/**
 * Quick at first, then rarer: a probe may be a process, and what is waited for needs the CPU too.
 */
const FIRST_POLL_MS = 2
const LAST_POLL_MS = 50
const POLL_GROWTH = 1.3
/** SLUICE_PATIENCE: how many times longer things may take here than on a machine of its own CPU. */
const patience = Number(process.env['SLUICE_PATIENCE'] ?? 1)

/** A limit of time, for this machine. */
export function patient(timeoutMs: number): number {
  return timeoutMs * patience
}

/**
 * Waits until `probe` gives something other than undefined, false or an exception, and gives that.
 * @throws Error with `what` and the probe's last exception when `timeoutMs` have passed
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + patient(timeoutMs)
  let last = ''
  let pauseMs = FIRST_POLL_MS
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
      last = ''
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${patient(timeoutMs)} ms in vain for ${what}${last}`)
    await sleep(pauseMs)
    pauseMs = Math.min(pauseMs * POLL_GROWTH, LAST_POLL_MS)
  }
}
