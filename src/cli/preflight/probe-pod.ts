/** What a node is asked with. */
export interface ProbeOptions {
  readonly image: string
  /** For the probes themselves. */
  readonly timeoutMs: number
  /** cgroup2 folder of the pods, where it is not to be looked for. */
  readonly kubepods?: string
}

/** Of everything that is made for this. */
export const probeLabels = {
  'app.kubernetes.io/name': 'sluice',
  'app.kubernetes.io/part-of': 'sluice',
  'app.kubernetes.io/component': 'preflight',
} as const

/** Images have to be pulled, and kubelets may be slow. */
export const startMs = 90_000

/**
 * A pod that runs `sluice preflight` on a node, past the scheduler: the node is asked whatever its
 * taints are. Privileged, as it makes a cgroup of its own at the top of the node's, which no set of
 * capabilities allows inside of a cgroup namespace. It ends by itself should nobody be left.
 */
export function probePod(
  name: string,
  node: string,
  { image, timeoutMs, kubepods }: ProbeOptions,
): object {
  const seconds = Math.ceil(timeoutMs / 1_000)
  const folder = kubepods === undefined ? [] : ['--kubepods', kubepods]
  const mount = (volume: string, mountPath: string) => ({
    name: volume,
    mountPath,
    mountPropagation: 'HostToContainer',
  })
  const hostPath = (volume: string, path: string) => ({
    name: volume,
    hostPath: { path, type: 'Directory' },
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: probeLabels },
    spec: {
      nodeName: node,
      tolerations: [{ operator: 'Exists' }],
      restartPolicy: 'Never',
      activeDeadlineSeconds: seconds + startMs / 1_000,
      terminationGracePeriodSeconds: 5,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostPID: true,
      containers: [
        {
          name: 'preflight',
          image,
          imagePullPolicy: 'IfNotPresent',
          args: ['sluice', 'preflight', '-o', 'json', '--timeout', `${seconds}`, ...folder],
          securityContext: { privileged: true, readOnlyRootFilesystem: true },
          resources: {
            requests: { cpu: '10m', memory: '64Mi' },
            limits: { memory: '512Mi' },
          },
          volumeMounts: [mount('cgroup', '/sys/fs/cgroup'), mount('bpffs', '/sys/fs/bpf')],
        },
      ],
      volumes: [hostPath('cgroup', '/sys/fs/cgroup'), hostPath('bpffs', '/sys/fs/bpf')],
    },
  }
}
