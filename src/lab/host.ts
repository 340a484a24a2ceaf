import { join } from 'node:path'
import { makeCgroup } from './cgroup.ts'
import { type LabPaths, netnsName, netnsPath } from './names.ts'
import { type Addresses, hostAddresses } from './net/addresses.ts'
import { type Fabric, joinFabric } from './net/fabric.ts'
import { ipBatch } from './net/ip.ts'
import { createRunner, type Runner } from './runner.ts'

/** A machine that the nodes can reach and that is not in the cluster: what is outside the mesh. */
export interface LabHost extends Runner {
  readonly name: string
  readonly netns: string
  readonly addresses: Addresses
}

export async function addHost(
  lab: string,
  paths: LabPaths,
  fabric: Fabric,
  { name, index, ipv6 }: { readonly name: string; readonly index: number; readonly ipv6: boolean },
): Promise<LabHost> {
  const ownName = netnsName(lab, `host.${name}`)
  const netns = netnsPath(ownName)
  const addresses = hostAddresses(index, ipv6)
  // No node may be called `outside.`: Kubernetes' names do not end in a dot.
  const cgroup = join(paths.cgroup, 'outside.', name)
  makeCgroup(cgroup)
  await ipBatch(undefined, [`netns add ${ownName}`])
  // Nodes give their own address to what leaves the cluster, so it needs no route to pods.
  await joinFabric(fabric, [{ netns, port: `host${index}`, addresses, routes: [], sysctls: {} }])
  return { name, netns, addresses, ...createRunner({ cgroup, netns }) }
}
