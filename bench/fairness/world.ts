import type { Lab } from '../../src/lab/lab.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { forwards, SERVER_PORT, startProxy } from '../l4/world.ts'
import type { Peer } from './report.ts'

/** A client and the server that it asks. */
export interface Pair {
  readonly client: LabPod
  readonly server: LabPod
  /** Where the client connects to. */
  readonly target: { readonly address: string; readonly port: number }
}

/** Both share what stands between: the node's proxy, or one nginx. */
export interface PeerPods {
  readonly peer: Peer
  readonly quiet: Pair
  readonly stormy: Pair
}

const QUIET_PORT = 8100
const STORMY_PORT = 8200

/**
 * Four pods of one node, in a namespace of the peer's own, and nginx in the node's where it is it.
 */
export async function addPeer(lab: Lab, peer: Peer, load: string): Promise<PeerPods> {
  const namespace = `fair-${peer}`
  const place = { namespace, node: 'node1' }
  const quiet = await addPair(lab, place, 'quiet', load)
  const stormy = await addPair(lab, place, 'stormy', load)
  if (peer !== 'nginx') return { peer, quiet, stormy }
  const proxy = await lab.addPod({ ...place, name: 'nginx', hostNetwork: true })
  const { v4 } = proxy.addresses
  await startProxy(peer, proxy, [
    ...forwards(v4, QUIET_PORT, quiet.server.addresses.v4, SERVER_PORT),
    ...forwards(v4, STORMY_PORT, stormy.server.addresses.v4, SERVER_PORT),
  ])
  return {
    peer,
    quiet: { ...quiet, target: { address: v4, port: QUIET_PORT } },
    stormy: { ...stormy, target: { address: v4, port: STORMY_PORT } },
  }
}

async function addPair(
  lab: Lab,
  place: { readonly namespace: string; readonly node: string },
  name: string,
  load: string,
): Promise<Pair> {
  const [client, server] = await lab.addPods([
    { ...place, name: `${name}-client` },
    { ...place, name: `${name}-server` },
  ])
  if (client === undefined || server === undefined)
    throw new Error('the lab made fewer pods than asked for')
  await server.spawn([load, 'serve', `${SERVER_PORT}`]).waitForLine(/ready/)
  return { client, server, target: { address: server.addresses.v4, port: SERVER_PORT } }
}
