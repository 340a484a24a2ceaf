import type { AuthorityStore } from './authority-store.ts'
import { type AuthorityState, beginOf, endOf, validity } from './authority-state.ts'
import { type KeyedCertificate, signServer } from './certificates.ts'

/** This operator's own certificate, renewed in time, signed by the authority of all. */
export interface Serving {
  readonly certificate: KeyedCertificate
  readonly endsMs: number
  /**
   * Looks whether it is time for a new one, of its own or because the authority changed; and for a
   * new authority, where this operator is the one that writes.
   * @returns the new one; undefined when the old one is still good
   */
  renew(leading: boolean): Promise<KeyedCertificate | undefined>
}

export interface ServingOptions {
  readonly store: AuthorityStore
  /** DNS names and addresses that nodes reach it by. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly validMs?: number
}

const defaultValidMs = 7 * 86_400_000

/** @throws Error when the API server cannot be reached, or the authority is no good */
export async function openServing(options: ServingOptions): Promise<Serving> {
  const { store, names, now = Date.now, validMs = defaultValidMs } = options

  async function sign({ current }: AuthorityState) {
    const nowMs = now()
    const { fromMs, toMs } = validity(nowMs, validMs)
    // It would not be believed after its authority has ended.
    const endMs = Math.min(toMs, endOf(current.certificate))
    const certificate = await signServer(current, names, { fromMs, toMs: endMs })
    return { certificate, authority: current.certificate }
  }

  let held = await sign(await store.open())
  return {
    get certificate() {
      return held.certificate
    },
    get endsMs() {
      return endOf(held.certificate.certificate)
    },
    async renew(leading) {
      const state = leading ? await store.renew() : await store.open()
      const { certificate } = held.certificate
      const half = (beginOf(certificate) + endOf(certificate)) / 2
      if (state.current.certificate === held.authority && now() < half) return undefined
      held = await sign(state)
      return held.certificate
    },
  }
}
