import type { Native, ReactorOptions } from '../native.ts'
import { type CommandWriter, createBegin, createCommandWriter } from './command-writer.ts'
import { createEventReader } from './event-reader.ts'
import type { EventHandlers } from './events.ts'
import { createHttpCommandWriter, type HttpCommandWriter } from './http-commands.ts'
import { createRing } from './ring.ts'

/** A reactor of this thread: orders go in by `commands`, what happens comes by the handlers. */
export interface OpenReactor {
  readonly commands: CommandWriter
  readonly http: HttpCommandWriter
  /** What the offsets of events about requests point into. */
  readonly slab: ArrayBuffer
  /** Carries out the orders given so far now, and not when the loop sleeps next. */
  flush(): void
  /** Counters since the start, and gauges; the names are those of native/reactor/stats.h. */
  stats(): Readonly<Record<string, number>>
  /**
   * Client's and server's descriptor of a connection that is forwarded, to be sent to the keeper.
   * They stay the reactor's: duplicate them by sending, do not close them.
   */
  pairedFds(conn: number): readonly [number, number] | undefined
  /** Bytes of open connections so far; see native.ts. */
  progress(conns: Int32Array, into: Float64Array): void
  /** Resets what is still open; no handler is called after it. */
  close(): void
}

/** All but the memory that the reactor shares with TypeScript. */
export type OpenReactorOptions = Omit<ReactorOptions, 'events' | 'commands' | 'slab'> & {
  readonly eventRingWords?: number
  readonly commandRingWords?: number
}

/** Options of a reactor that knows nothing of BPF. */
export const withoutBpf = {
  originsMapFd: -1,
  legIntentsMapFd: -1,
  sockInfoMapFd: -1,
  pairsMapFd: -1,
  pairControlMapFd: -1,
  pairStatsMapFd: -1,
  queueQueryProgFd: -1,
} as const

const defaultRingWords = 1 << 16
/** Heads of requests, half of it for either side. */
const slabBytes = 1 << 20

/**
 * Opens a reactor in this thread's event loop, which it keeps alive until it is closed.
 * @throws Error when a kernel map does not fit or the loop cannot take it
 */
export function openReactor(
  native: Pick<Native, 'reactorCreate'>,
  options: OpenReactorOptions,
  handlers: EventHandlers,
): OpenReactor {
  const { eventRingWords, commandRingWords, ...rest } = options
  const events = createRing(eventRingWords ?? defaultRingWords)
  const commands = createRing(commandRingWords ?? defaultRingWords)
  const slab = new ArrayBuffer(slabBytes)
  const memory = { events: events.buffer, commands: commands.buffer, slab }
  const reactor = native.reactorCreate({ ...rest, ...memory }, createEventReader(events, handlers))
  const flush = (): void => reactor.flush()
  const begin = createBegin(commands, flush)
  return {
    commands: createCommandWriter(commands, begin),
    http: createHttpCommandWriter(commands, begin, slab, flush),
    slab,
    flush,
    stats: () => reactor.stats(),
    pairedFds: (conn) => reactor.pairedFds(conn),
    progress: (conns, into) => reactor.progress(conns, into),
    close: () => reactor.close(),
  }
}
