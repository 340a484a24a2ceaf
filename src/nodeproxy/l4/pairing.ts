import type { Connection } from './connection.ts'

/** SLUICE_POD_ACCEL_FULL of bpf/abi.h, as an origin carries it. */
const originAccelFull = 8

/**
 * Whether the two apps may send to each other past the proxy: both on this node, and both in mode
 * `full`, since each of them will read redirected bytes. The client's mode is that of its connect.
 */
export function mayPair(connection: Connection): boolean {
  const { direction, originFlags, localPod } = connection
  if (direction !== 'outbound' || (originFlags & originAccelFull) === 0) return false
  return localPod?.acceleration === 'full'
}
