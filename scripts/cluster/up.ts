import { mkdirSync, writeFileSync } from 'node:fs'
import { podCidrs } from '../../src/lab/net/addresses.ts'
import { prepareParts } from './build.ts'
import { readHierarchies } from './cgroups.ts'
import { claimName } from './claim.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { controlService, controlServices } from './control-plane.ts'
import { corednsObjects } from './coredns.ts'
import { removeCluster } from './down.ts'
import { importOwnImages } from './images.ts'
import { apply, type Kubectl, kubectlOf } from './kubectl.ts'
import { bootControl, bootNode, connectControl, connectNode, nodeIndex } from './machines.ts'
import { clusterPaths, nodeNames } from './names.ts'
import { configureNode, nodeService, nodeServices } from './node-services.ts'
import { kubeconfigFor, makePki } from './pki.ts'
import { type Place, startService } from './place.ts'
import { allRun, containerdReady, deploymentReady, nodeReady, serverReady } from './ready.ts'
import { startRelay } from './relay.ts'
import { missingOfMachine } from './requirements.ts'

type Say = (message: string) => void

/**
 * Makes a cluster and returns when it works: both nodes Ready, CoreDNS serving. Needs root.
 * @throws Error when the name is taken, something is missing or fails; nothing is left then
 */
export async function createCluster(name: string, say: Say): Promise<Cluster> {
  const missing = missingOfMachine()
  if (missing.length > 0) throw new Error(`a cluster needs ${missing.join('; ')}`)
  const { bin } = await prepareParts(say)
  claimName(name)
  try {
    await start(name, bin, say)
    return openCluster(name)
  } catch (error) {
    await removeCluster(name)
    throw error
  }
}

async function start(cluster: string, bin: string, say: Say): Promise<void> {
  const paths = clusterPaths(cluster)
  for (const folder of [paths.logs, paths.etcd]) mkdirSync(folder, { mode: 0o700 })
  await makePki(paths.pki)
  say('the control plane starts')
  const control = await startControl(cluster, bin)
  const kubectl = kubectlOf(cluster, bin)
  const [nodes] = await Promise.all([
    startContainerd(cluster, control, bin),
    startControllers(cluster, control, bin, kubectl),
  ])
  say('the nodes start')
  for (const node of nodes) {
    for (const name of nodeServices.slice(1)) startService(node, nodeService(node.machine, name))
  }
  await Promise.all(nodes.map((node) => nodeReady(node, kubectl)))
  say('CoreDNS starts')
  await apply(kubectl, corednsObjects())
  await deploymentReady(kubectl, 'kube-system', 'coredns')
  for (const place of [control, ...nodes]) allRun(place)
}

async function startControl(cluster: string, bin: string): Promise<Place> {
  const control = await bootControl(cluster, readHierarchies(), bin)
  await connectControl(control)
  for (const name of controlServices.slice(0, 2)) {
    startService(control, controlService(cluster, name, bin))
  }
  const port = await startRelay(control, bin)
  const { kubeconfig, pki } = clusterPaths(cluster)
  const text = kubeconfigFor(pki, 'cluster-admin', `https://127.0.0.1:${port}`)
  writeFileSync(kubeconfig, text, { mode: 0o600 })
  return control
}

/** They end at once when the API server has not made its roles yet, so they wait for it. */
async function startControllers(
  cluster: string,
  control: Place,
  bin: string,
  kubectl: Kubectl,
): Promise<void> {
  await serverReady(control, kubectl)
  for (const name of controlServices.slice(2)) {
    startService(control, controlService(cluster, name, bin))
  }
  await apply(kubectl, nodeNames.map(nodeObject))
}

/** Boots the nodes, up to a containerd that has the images which every cluster runs. */
async function startContainerd(
  cluster: string,
  control: Place,
  bin: string,
): Promise<readonly Place[]> {
  const nodes = await Promise.all(
    nodeNames.map(async (name) => {
      configureNode(cluster, name)
      const node = await bootNode(cluster, name, control.hierarchies, bin)
      await connectNode(control, node)
      startService(node, nodeService(name, 'containerd'))
      await containerdReady(node)
      return node
    }),
  )
  await importOwnImages(cluster, nodes, bin)
  return nodes
}

/** The kubelet takes over what it finds of its node. */
function nodeObject(name: string): object {
  const index = nodeIndex(name)
  const pods = podCidrs(index, true)
  const podCIDRs = [pods.v4, ...(pods.v6 === undefined ? [] : [pods.v6])]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'topology.kubernetes.io/region': 'region1',
        'topology.kubernetes.io/zone': `zone${index + 1}`,
      },
    },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
  }
}
