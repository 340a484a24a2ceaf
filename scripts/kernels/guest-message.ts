import type { Verdict } from '../../src/nodeproxy/preflight/verdict.ts'

/** What a guest says on its second serial line, a JSON object a line. */
export type GuestMessage =
  | { readonly kind: 'booted' }
  | {
      readonly kind: 'preflight'
      readonly status: number
      readonly verdict: Verdict | undefined
      readonly stderr: string
    }
  | TestMessage
  /** What a test file printed, a V8 that gives up included. */
  | { readonly kind: 'output'; readonly file: string; readonly text: string }
  /** The kernel's log since the tests began. */
  | { readonly kind: 'log'; readonly lines: readonly string[] }
  | { readonly kind: 'ended'; readonly status: number }

export interface TestMessage {
  readonly kind: 'test'
  readonly outcome: 'pass' | 'fail' | 'skip'
  readonly file: string
  readonly name: string
  readonly durationMs: number
  /** The failure, or the reason of the skip. */
  readonly message: string
}

/**
 * One line of the serial line; undefined for what is none of ours (a kernel may print there too).
 */
export function parseGuestMessage(line: string): GuestMessage | undefined {
  const start = line.indexOf('{"kind":')
  if (start < 0) return undefined
  try {
    return JSON.parse(line.slice(start)) as GuestMessage
  } catch {
    return undefined
  }
}
