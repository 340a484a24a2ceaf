/** What the demo saw, as `-o json` prints it. */
export interface Figures {
  /** Connections that the kernel sent to the proxies. */
  redirected: number
  /** Of those, to addresses that the mesh does not know. */
  passedThrough: number
  /** Connections that were paired in the kernel, and the bytes that never saw the proxy. */
  spliced: number
  splicedBytes: number
  /** Sends of enrolled applications that went past TCP into the proxy. */
  acceleratedSends: number
  /** conntrack entries of enrolled pods with address translation. */
  conntrackAdded: number
  /** Without translation: legs that cross a node's stack. At most one a leg. */
  conntrackPlain: number
  /** Of those, with another source port, because an entry of before the mesh had it. */
  conntrackPortClashes: number
  /** For comparison, before the mesh: entries of as many connections. */
  conntrackBefore: number
  iptablesRulesAdded: number
  podsChanged: number
  failedRequests: number
  /** Questions that were on their way through the proxy when it was killed. */
  cutByKill: number
  /** In the window in which a fail-closed namespace has no proxy. */
  refusedFailClosed: number
  proxyBackMs: number
  latencyDirectUs: number
  latencyMeshUs: number
  answeredBy: Record<string, number>
}

/** Tells people what happens while it happens, and sums it up at the end. */
export interface Report {
  readonly figures: Figures
  /** A new part begins. */
  part(title: string): void
  say(text: string): void
  /** Says it, with a mark; one that does not hold makes the whole demo fail. */
  check(name: string, ok: boolean): void
  /** The last words. */
  end(): { readonly ok: boolean; readonly json: string }
}

/** @param write takes lines for people */
export function createReport(write: (line: string) => void): Report {
  const figures: Figures = {
    redirected: 0,
    passedThrough: 0,
    spliced: 0,
    splicedBytes: 0,
    acceleratedSends: 0,
    conntrackAdded: 0,
    conntrackPlain: 0,
    conntrackPortClashes: 0,
    conntrackBefore: 0,
    iptablesRulesAdded: 0,
    podsChanged: 0,
    failedRequests: 0,
    cutByKill: 0,
    refusedFailClosed: 0,
    proxyBackMs: 0,
    latencyDirectUs: 0,
    latencyMeshUs: 0,
    answeredBy: {},
  }
  const failed: string[] = []
  const start = performance.now()
  let parts = 0
  return {
    figures,
    part: (title) => write(`\n${++parts}. ${title}`),
    say: (text) => write(`   ${text}`),
    check: (name, ok) => {
      if (!ok) failed.push(name)
      write(`   ${ok ? '√' : '×'} ${name}`)
    },
    end: () => {
      const ok = failed.length === 0
      const seconds = Math.round((performance.now() - start) / 100) / 10
      write(
        ok ? `\nAll of it held, in ${seconds} s.` : `\nThis did not hold: ${failed.join('; ')}.`,
      )
      return { ok, json: JSON.stringify({ ok, ...figures, failedChecks: failed, seconds }) }
    },
  }
}

export function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(2)} ms`
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}

export function counts(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
