import type { Cluster } from '../../../scripts/cluster/cluster.ts'
import { apply } from '../../../scripts/cluster/kubectl.ts'

/** A pod of the image under test, on a node, that runs a program. */
export interface PodSpec {
  readonly name: string
  readonly node: string
  readonly image: string
  readonly command: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  /** Runs to its end, with the node's processes, cgroups and pins. */
  readonly privileged?: boolean
}

const hostFolders = { cgroup: '/sys/fs/cgroup', bpffs: '/sys/fs/bpf' }

export async function runPods(cluster: Cluster, pods: readonly PodSpec[]): Promise<void> {
  await apply(cluster.kubectl, pods.map(podObject))
}

export async function podsReady(cluster: Cluster, names: readonly string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`)
  await cluster.kubectl(['wait', ...pods, '--for=condition=Ready', '--timeout=120s'], {
    timeoutMs: 130_000,
  })
}

function podObject({ name, node, image, command, labels = {}, privileged = false }: PodSpec) {
  const volumes = Object.entries(hostFolders).map(([volume, path]) => ({
    name: volume,
    hostPath: { path },
  }))
  const mounts = Object.entries(hostFolders).map(([volume, mountPath]) => ({
    name: volume,
    mountPath,
    mountPropagation: 'HostToContainer',
  }))
  const container = {
    name: 'main',
    image,
    imagePullPolicy: 'Never',
    command,
    ...(privileged ? { securityContext: { privileged }, volumeMounts: mounts } : {}),
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: {
      nodeName: node,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      hostPID: privileged,
      containers: [container],
      ...(privileged ? { volumes } : {}),
    },
  }
}
