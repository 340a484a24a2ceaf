import { setTimeout as sleep } from 'node:timers/promises'

const DEFAULT_TIMEOUT_MS = 10_000
const POLL_MS = 5

/**
 * Waits until `probe` gives something other than undefined, false or an exception, and gives that.
 * @throws Error with `what` and the probe's last exception when `timeoutMs` have passed
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + timeoutMs
  let last = ''
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
      last = ''
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last}`)
    await sleep(POLL_MS)
  }
}
