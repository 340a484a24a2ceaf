import { X509Certificate } from 'node:crypto'
import type { KeyedCertificate, Validity } from './certificates.ts'

/** The authorities of the operators' certificates. */
export interface AuthorityState {
  /** Signs. */
  readonly current: KeyedCertificate
  /** Known to nodes already, and signs when all of them have it. */
  readonly next?: KeyedCertificate
  /** Signed before: certificates of it may still be shown. */
  readonly previous?: string
}

export interface AuthorityTimes {
  readonly validMs: number
  /** A new one is made when the current one has no longer than that. */
  readonly renewMs: number
  /** From the publication of a new one until it signs: nodes have it by then. */
  readonly overlapMs: number
}

const day = 86_400_000

export const defaultAuthorityTimes: AuthorityTimes = {
  validMs: 365 * day,
  renewMs: 120 * day,
  overlapMs: day,
}

/** What nodes are to trust, PEM. */
export function bundleOf({ current, next, previous }: AuthorityState): string {
  const all = [current.certificate, next?.certificate, previous]
  return all.flatMap((pem) => (pem === undefined ? [] : [`${pem.trim()}\n`])).join('')
}

/**
 * The next step of a rotation, if it is time for one; the same state if not. At each moment what
 * signs has been published for the overlap, and what signed before is published until it ends.
 */
export async function rotate(
  state: AuthorityState,
  nowMs: number,
  { validMs, renewMs, overlapMs }: AuthorityTimes,
  make: (validity: Validity) => Promise<KeyedCertificate>,
): Promise<AuthorityState> {
  const { current, next, previous } = state
  if (previous !== undefined && endOf(previous) <= nowMs) {
    return { current, ...(next === undefined ? {} : { next }) }
  }
  if (next !== undefined) {
    if (beginOf(next.certificate) + overlapMs > nowMs) return state
    return { current: next, previous: current.certificate }
  }
  if (endOf(current.certificate) - nowMs > renewMs) return state
  return { ...state, next: await make(validity(nowMs, validMs)) }
}

/** Clocks differ a little. */
const skewMs = 300_000

export function validity(nowMs: number, validMs: number): Validity {
  return { fromMs: nowMs - skewMs, toMs: nowMs + validMs }
}

export function beginOf(pem: string): number {
  return new X509Certificate(pem).validFromDate.getTime() + skewMs
}

export function endOf(pem: string): number {
  return new X509Certificate(pem).validToDate.getTime()
}
