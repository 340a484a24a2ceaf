import type { ConfigSource, ConfigStream, Delta } from '../../model/source.ts'
import { faultOf, trackUnconfirmed } from './apply-delta.ts'
import type { Clock, ConfigStore, StoreChange } from './interfaces.ts'
import { withUndecided } from './undecided.ts'
import { createPersistence } from './persistence.ts'
import {
  createResolver,
  defaultResolverLimits,
  type Resolver,
  type ResolverLimits,
} from './resolver.ts'
import type { StateFile } from './state-file.ts'
import {
  heldOf,
  restoreState,
  startState,
  statusOf,
  type StoreState,
  storedOf,
} from './store-state.ts'

export interface StoreOptions {
  readonly node: string
  /** That this node's addresses are in; `default` unless told. */
  readonly network?: string
  readonly source: ConfigSource
  readonly clock: Clock
  /** Where what is known outlives a restart. */
  readonly stateFile?: StateFile
  readonly limits?: Partial<ResolverLimits>
  /** What whoever runs the mesh should know: a rejected delta, a state file that is no good. */
  readonly onProblem?: (message: string) => void
}

const saveDelayMs = 1_000
const saveIntervalMs = 5_000
const sweepMs = 15_000

/**
 * The node's side of the configuration: holds what the source sends, asks for addresses when they
 * are first used, and serves on what it has while the source is away. What is on disk is in force
 * from the start.
 */
export function createStore(options: StoreOptions): ConfigStore {
  const { node, network = 'default', clock, stateFile, onProblem = () => {} } = options
  const state = startState(clock.nowMs())
  const listeners = new Set<(change: StoreChange) => void>()
  const link = lateStream()
  const resolver = resolverOf(options, network, state, link.stream)
  const persistence = createPersistence({
    file: stateFile,
    clock,
    delayMs: saveDelayMs,
    intervalMs: saveIntervalMs,
    state: () => storedOf(node, state, resolver),
    onError: (error) => onProblem(error.message),
  })
  const problem =
    stateFile === undefined
      ? undefined
      : restoreState(stateFile, { node, network }, state, resolver)
  if (problem !== undefined) onProblem(problem)

  const receive = createReceiver(options, network, state, resolver)
  link.open(options.source, {
    held: () => heldOf(node, network, state, resolver),
    onDelta(delta) {
      const change = receive(delta, link.stream)
      if (change === undefined) return
      for (const listener of listeners) listener(change)
      persistence.changed()
      link.stream.ack(delta.nonce)
    },
    onRejected: (error) => reject(state, error, onProblem),
    onConnected: () => connection(true, ''),
    onDisconnected: (reason) => connection(false, reason),
  })

  function connection(connected: boolean, reason: string): void {
    if (state.connected !== connected) state.sinceMs = clock.nowMs()
    Object.assign(state, { connected, reason })
  }

  const stopSweeping = every(clock, sweepMs, () => resolver.addresses.sweep())

  return {
    get tables() {
      return state.tables
    },
    network,
    get complete() {
      return state.complete
    },
    get: (podUid) => state.tables.enrolment(podUid),
    resolve: (ip, requester) => resolver.resolve(ip, requester),
    touch(ips) {
      for (const ip of ips) resolver.addresses.get(ip)
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    status: () => statusOf(state, resolver),
    async close() {
      stopSweeping()
      resolver.close()
      link.stream.close()
      await persistence.close()
    },
  }
}

function resolverOf(
  { node, clock, limits }: StoreOptions,
  network: string,
  state: StoreState,
  stream: ConfigStream,
): Resolver {
  const all = { ...defaultResolverLimits, ...limits }
  return createResolver(all, {
    clock,
    network,
    stream,
    holds(ip) {
      const entry = state.tables.at({ network, ip })
      if (entry === undefined) return 'no'
      // Pods of this node are sent to it anyway.
      return entry.services.length === 0 && entry.workload?.node === node ? 'always' : 'yes'
    },
    reachable: () => state.connected || clock.nowMs() - state.sinceMs < all.waitMs,
  })
}

/** Applies deltas to the state. Gives what changed; undefined when the delta was rejected. */
function createReceiver(
  { node, onProblem = () => {} }: StoreOptions,
  network: string,
  state: StoreState,
  resolver: Resolver,
) {
  const unconfirmed = trackUnconfirmed()
  return (delta: Delta, stream: ConfigStream): StoreChange | undefined => {
    const fault = faultOf(delta.upserts, node, network)
    if (fault !== undefined) {
      reject(state, fault.error, onProblem)
      stream.nack(delta.nonce, fault.error, fault.rejected)
      return undefined
    }
    const { upserts: sent, removals } = unconfirmed.changeOf(delta, state.tables)
    const upserts = withUndecided(sent, state.tables)
    const services = state.tables.apply({ upserts, removals })
    const resolved = resolver.addresses.note(delta)
    if (delta.complete === true) state.complete = true
    Object.assign(state, { version: delta.version, fromDisk: false, lastError: '' })
    state.deltasApplied += 1
    for (const { name, error } of delta.refused ?? []) onProblem(`${name} was refused: ${error}`)
    return { upserts, removals, resolved, services }
  }
}

function reject(state: StoreState, error: string, onProblem: (message: string) => void): void {
  state.deltasRejected += 1
  state.lastError = error
  onProblem(`configuration rejected, the last good one stays: ${error}`)
}

/**
 * A stream that may be used before it is opened: what is subscribed until then is so from the
 * start.
 */
function lateStream() {
  const early = new Set<string>()
  let opened: ConfigStream | undefined
  const stream: ConfigStream = {
    subscribe(names) {
      if (opened === undefined) for (const name of names) early.add(name)
      else opened.subscribe(names)
    },
    unsubscribe(names) {
      if (opened === undefined) for (const name of names) early.delete(name)
      else opened.unsubscribe(names)
    },
    ack: (nonce) => opened?.ack(nonce),
    nack: (nonce, error, rejected) => opened?.nack(nonce, error, rejected),
    close: () => opened?.close(),
  }
  return {
    stream,
    open(source: ConfigSource, listener: Parameters<ConfigSource>[0]): void {
      opened = source(listener)
      if (early.size > 0) opened.subscribe([...early])
    },
  }
}

function every(clock: Clock, intervalMs: number, run: () => void): () => void {
  let cancel = clock.after(intervalMs, again)
  function again(): void {
    run()
    cancel = clock.after(intervalMs, again)
  }
  return () => cancel()
}
