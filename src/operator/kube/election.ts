import { isStatus, type KubeApi } from './api.ts'

/** Whether this operator is the one that writes; the others do all else as well. */
export interface Election {
  readonly leading: boolean
  /** Lets the next one lead at once. */
  stop(): Promise<void>
}

export interface ElectionOptions {
  readonly api: KubeApi
  readonly namespace: string
  /** Of the Lease. */
  readonly name: string
  /** Of this operator, unique: its pod's name. */
  readonly identity: string
  readonly leaseSeconds?: number
  readonly renewMs?: number
  /** Monotonic milliseconds: clocks of two machines are never compared. */
  readonly now?: () => number
  readonly onChange?: (leading: boolean) => void
  readonly onError?: (error: Error) => void
}

interface LeaseSpec {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

interface Lease {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string }
  readonly spec?: LeaseSpec
}

/**
 * Asks for a Lease again and again, as client-go's leader election does: who holds it renews it; if
 * it was not renewed for its whole duration, as seen from here, it is taken.
 */
export function startElection(options: ElectionOptions): Election {
  const { renewMs = 5_000, leaseSeconds = 15, now = () => performance.now() } = options
  const { onChange = () => {}, onError = () => {} } = options
  const seen = { renewTime: '', atMs: 0 }
  let leading = false
  let renewedMs = 0
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  function become(now: boolean): void {
    if (leading === now) return
    leading = now
    onChange(leading)
  }

  async function turn(): Promise<void> {
    const startedMs = now()
    try {
      const held = await tryHold(options, leaseSeconds, seen, now)
      if (held) renewedMs = startedMs
      become(held)
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)))
      // Somebody else may take it from then on.
      if (now() - renewedMs > (leaseSeconds * 1_000 * 2) / 3) become(false)
    }
  }

  function loop(): void {
    turning = turn().then(() => {
      if (!stopped) timer = setTimeout(loop, renewMs).unref()
      return undefined
    })
  }

  let turning: Promise<void> = Promise.resolve()
  loop()
  return {
    get leading() {
      return leading
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turning
      if (!leading) return
      become(false)
      await release(options).catch((error: unknown) =>
        onError(error instanceof Error ? error : new Error(String(error))),
      )
    },
  }
}

function collection({ namespace }: ElectionOptions): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
}

/** @returns whether it is this operator's now */
async function tryHold(
  options: ElectionOptions,
  leaseSeconds: number,
  seen: { renewTime: string; atMs: number },
  now: () => number,
): Promise<boolean> {
  const { api, name, identity } = options
  const lease = await readLease(options)
  const spec = lease?.spec ?? {}
  const { holderIdentity: holder = '', renewTime = '' } = spec
  if (renewTime !== seen.renewTime) Object.assign(seen, { renewTime, atMs: now() })
  const durationMs = (spec.leaseDurationSeconds ?? leaseSeconds) * 1_000
  const free = holder === '' || now() - seen.atMs > durationMs
  if (holder !== identity && !free) return false
  const taken = holder !== identity
  const time = microTime()
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: lease?.metadata ?? { name },
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime: taken ? time : (spec.acquireTime ?? time),
      renewTime: time,
      leaseTransitions: (spec.leaseTransitions ?? 0) + (taken && lease !== undefined ? 1 : 0),
    },
  }
  try {
    if (lease === undefined) {
      await api.call({ method: 'POST', path: collection(options), body })
    } else await api.call({ method: 'PUT', path: `${collection(options)}/${name}`, body })
    return true
  } catch (error) {
    // Somebody else wrote it meanwhile.
    if (isStatus(error, 409)) return false
    throw error
  }
}

async function readLease(options: ElectionOptions): Promise<Lease | undefined> {
  try {
    return (await options.api.call({ path: `${collection(options)}/${options.name}` })) as Lease
  } catch (error) {
    if (isStatus(error, 404)) return undefined
    throw error
  }
}

async function release(options: ElectionOptions): Promise<void> {
  const lease = await readLease(options)
  if (lease?.spec?.holderIdentity !== options.identity) return
  const { name, api } = options
  const body = { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } }
  await api.call({ method: 'PUT', path: `${collection(options)}/${name}`, body })
}

/** As Kubernetes' MicroTime is written. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}
