import { addressOf, familyOf, isAddressOf, type PodView } from './pod.ts'

/** SLUICE_LEG_* of bpf/abi.h. */
export const LegFlags = { bypass: 1, accelAuto: 4, accelFull: 8 } as const

/** The proxy's second connection of a pair, as the reactor's connect command takes it. */
export interface Leg {
  /** The namespace it is opened in: a pod number. */
  readonly netns: number
  /** Undefined: not bound, the kernel chooses. */
  readonly source: string | undefined
  readonly destination: string
  readonly port: number
  /** Who the app at the other end shall see. */
  readonly client: string
  readonly clientPort: number
  readonly flags: number
}

export interface Peer {
  readonly address: string
  readonly port: number
}

/**
 * From a client pod to an endpoint, out of the client's own namespace, so that NetworkPolicy
 * decides as without a mesh. An endpoint in the mesh on this node is reached past its own
 * interception (`local`): this proxy has decided for both sides. The app there is told the pod's
 * own address whatever the client's socket was bound to: who may configure his namespace could
 * otherwise pass for another pod.
 */
export function outboundLeg(
  pod: PodView,
  client: Peer,
  destination: Peer,
  local: PodView | undefined,
): Leg {
  const source = addressOf(pod, familyOf(destination.address))
  return {
    netns: pod.podId,
    source,
    destination: destination.address,
    port: destination.port,
    client: isAddressOf(pod, client.address) ? client.address : (source ?? client.address),
    clientPort: client.port,
    flags: local === undefined ? 0 : LegFlags.bypass | accelerationFlags(local),
  }
}

/**
 * Into the pod, from inside its own namespace. Sources out of 127.0.0.0/8 are 2^24 times the ports
 * of one address: with one source, an app port would end at about 28,000 connections.
 */
export function inboundLeg(
  pod: PodView,
  client: Peer,
  destination: Peer,
  random: () => number,
): Leg {
  const ipv6 = familyOf(destination.address) === 6
  return {
    netns: pod.podId,
    source: ipv6 ? '::1' : randomLoopback(random),
    destination: destination.address,
    port: destination.port,
    client: client.address,
    clientPort: client.port,
    flags: LegFlags.bypass | accelerationFlags(pod),
  }
}

function accelerationFlags(pod: PodView): number {
  if (pod.acceleration === 'off') return 0
  return pod.acceleration === 'full' ? LegFlags.accelFull : LegFlags.accelAuto
}

/**
 * 127.x.y.z with z in 1..254: neither a network nor a broadcast address, and not only 127.0.0.1.
 */
function randomLoopback(random: () => number): string {
  const byte = (count: number): number => Math.floor(random() * count)
  return `127.${byte(256)}.${byte(256)}.${1 + byte(254)}`
}
