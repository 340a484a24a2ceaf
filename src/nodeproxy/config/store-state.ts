import { addressSubscription, nodeSubscription } from '../../model/names.ts'
import type { HeldState } from '../../model/source.ts'
import { faultOf } from './apply-delta.ts'
import type { StoreStatus } from './interfaces.ts'
import { createNodeTables, type NodeTables } from './node-tables.ts'
import type { Resolver } from './resolver.ts'
import type { StateFile, StoredState } from './state-file.ts'

/** What a store keeps beside the addresses that were asked for. Its one owner is the store. */
export interface StoreState {
  readonly tables: NodeTables
  complete: boolean
  connected: boolean
  reason: string
  /** Since when it is connected, or not. */
  sinceMs: number
  fromDisk: boolean
  version: string
  lastError: string
  deltasApplied: number
  deltasRejected: number
}

export function startState(nowMs: number): StoreState {
  return {
    tables: createNodeTables(),
    complete: false,
    connected: false,
    reason: 'not connected yet',
    sinceMs: nowMs,
    fromDisk: false,
    version: '',
    lastError: '',
    deltasApplied: 0,
    deltasRejected: 0,
  }
}

export function storedOf(node: string, state: StoreState, resolver: Resolver): StoredState {
  return {
    node,
    version: state.version,
    complete: state.complete,
    resources: [...state.tables.resources.values()],
    addresses: resolver.addresses.known(),
  }
}

/** Until all pods of the node have been named, its own name is not answered. */
export function heldOf(
  node: string,
  network: string,
  { tables, complete }: StoreState,
  { addresses }: Resolver,
): HeldState {
  const asked = addresses
    .known()
    .map(({ ip, state }) => [addressSubscription(network, ip), state] as const)
  return {
    versions: tables.resources.versions(),
    answered: complete ? [[nodeSubscription(node), 'present'], ...asked] : asked,
  }
}

export function statusOf(state: StoreState, resolver: Resolver): StoreStatus {
  const { connected, reason, fromDisk, version, lastError, deltasApplied, deltasRejected } = state
  return {
    connected,
    reason,
    fromDisk,
    version,
    resources: state.tables.resources.size,
    subscribed: resolver.addresses.size,
    absent: resolver.addresses.known().filter((address) => address.state === 'absent').length,
    waiting: resolver.waiting,
    counts: { deltasApplied, deltasRejected, ...resolver.counts },
    lastError,
  }
}

/**
 * Reads what an earlier run knew.
 * @returns why it is not used; undefined when it is, or there is nothing
 */
export function restoreState(
  file: StateFile,
  { node, network }: { readonly node: string; readonly network: string },
  state: StoreState,
  resolver: Resolver,
): string | undefined {
  const loaded = file.load()
  if (!loaded.ok) return loaded.error
  if (loaded.value === undefined) return undefined
  const { resources, addresses, complete, version } = loaded.value
  if (loaded.value.node !== node) {
    return (
      `the state file is of node '${loaded.value.node}', and ` +
      `this is '${node}': give each node a folder of its own`
    )
  }
  const fault = faultOf(resources, node, network)
  if (fault !== undefined) return `the state file is not used: ${fault.error}`
  state.tables.apply({ upserts: resources, removals: [] })
  Object.assign(state, { complete, version, fromDisk: true })
  resolver.addresses.restore(addresses)
  return undefined
}
