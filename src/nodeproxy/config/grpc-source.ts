import { readFile } from 'node:fs/promises'
import type { ConfigListener, ConfigSource, ConfigStream } from '../../model/source.ts'
import { createBackOff } from '../../model/back-off.ts'
import type { DeltaCallHandlers } from './delta-call.ts'
import type { Clock } from './interfaces.ts'
import type { ReportFeed } from '../report/report-feed.ts'

export interface GrpcSourceOptions {
  readonly node: string
  /** `HOST:PORT`, or `unix:PATH`. */
  readonly address: string
  /** That the operator's certificate must name. */
  readonly serverName: string
  /** Read again for each connection, as both are renewed. */
  readonly caFile: string
  readonly tokenFile: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly firstRetryMs?: number
  readonly maxRetryMs?: number
  /** Without a word of the operator after so long, a connection counts as failed. */
  readonly openMs?: number
  readonly maxClaims?: number
  /** What the operator is told of this node while it is connected. */
  readonly reports?: ReportFeed
}

/** Of 100 bytes each, half of what the operator reads in one message. */
const defaultMaxClaims = 40_000

/**
 * The operator, over gRPC with delta xDS. It connects at once, again with back-off whenever the
 * stream ends, and says each time what is subscribed and what is held: nothing of that is sent
 * again.
 */
export function grpcSource(options: GrpcSourceOptions): ConfigSource {
  return (listener) => openStream(options, listener)
}

function openStream(options: GrpcSourceOptions, listener: ConfigListener): ConfigStream {
  const { clock, random, firstRetryMs = 100, maxRetryMs = 10_000 } = options
  const names = new Set<string>()
  const backOff = createBackOff({ firstMs: firstRetryMs, maxMs: maxRetryMs, random })
  let attempt: Attempt | undefined
  let cancelRetry = () => {}

  function connect(): void {
    attempt = startAttempt(options, listener, names, {
      onConnected: () => listener.onConnected(),
      onDelta(delta) {
        listener.onDelta(delta)
        backOff.reset()
      },
      onRejected: (error) => listener.onRejected?.(error),
      onEnd(reason) {
        attempt = undefined
        cancelRetry = clock.after(backOff.nextMs(), connect)
        listener.onDisconnected(reason)
      },
    })
  }

  connect()
  return {
    subscribe(more) {
      for (const name of more) names.add(name)
      attempt?.stream()?.subscribe(more)
    },
    unsubscribe(less) {
      for (const name of less) names.delete(name)
      attempt?.stream()?.unsubscribe(less)
    },
    ack: (nonce) => attempt?.stream()?.ack(nonce),
    nack: (nonce, error, rejected) => attempt?.stream()?.nack(nonce, error, rejected),
    close() {
      cancelRetry()
      attempt?.stop()
    },
  }
}

/** A connection that is being opened, or is open. */
interface Attempt {
  /** Undefined: nothing was sent yet; what is subscribed until then is in the first request. */
  stream(): ConfigStream | undefined
  stop(): void
}

function startAttempt(
  options: GrpcSourceOptions,
  listener: ConfigListener,
  names: ReadonlySet<string>,
  handlers: DeltaCallHandlers,
): Attempt {
  const { address, node, clock, openMs = 10_000, maxClaims = defaultMaxClaims } = options
  let stream: ConfigStream | undefined
  let over = false
  const stop = () => {
    over = true
    stopWaiting()
    stream?.close()
  }
  const end = (reason: string) => {
    if (over) return
    stop()
    handlers.onEnd(`${address}: ${reason}`)
  }
  const stopWaiting = clock.after(openMs, () => end(`no answer within ${openMs} ms`))
  const open = async () => {
    const { openDeltaCall, target } = await prepare(options)
    if (over) return
    const { reports: feed, random } = options
    const reporter = feed === undefined ? undefined : { feed, clock, random }
    const start = { node, names: [...names], held: listener.held?.(), maxClaims, reporter }
    stream = openDeltaCall(target, start, {
      ...handlers,
      onConnected() {
        stopWaiting()
        handlers.onConnected()
      },
      onEnd: end,
    })
  }
  open().catch((error: unknown) => end(error instanceof Error ? error.message : String(error)))
  return { stream: () => stream, stop }
}

/**
 * gRPC is loaded when the first connection is opened, and not before: a restart serves from what is
 * on disk until then.
 */
async function prepare({ address, serverName, caFile, tokenFile }: GrpcSourceOptions) {
  const [{ openDeltaCall }, ca, token] = await Promise.all([
    import('./delta-call.ts'),
    readText(caFile, "the operator's certificate authority"),
    readText(tokenFile, "the service account's token"),
  ])
  return { openDeltaCall, target: { address, serverName, ca, token: token.trim() } }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new Error(`${what} cannot be read: ${cause}: is its volume mounted?`, { cause: error })
  }
}
