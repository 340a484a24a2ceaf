/** Milliseconds of CLOCK_MONOTONIC: the same in all threads, and never going back. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
