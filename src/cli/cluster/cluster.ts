import type { Duplex } from 'node:stream'
import type { Command } from 'commander'
import type { KubeReader } from '../../operator/kube/api.ts'

/** The cluster that a verb asks. */
export interface Cluster {
  readonly api: Pick<KubeReader, 'call' | 'text'>
  /** A connection to a port of a pod's loopback address, as kubectl port-forward makes it. */
  forward(namespace: string, pod: string, port: number): Promise<Duplex>
}

export interface ClusterOptions {
  readonly kubeconfig?: string
  readonly context?: string
  readonly sluiceNamespace: string
}

export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'credentials, where they are not those that kubectl uses')
    .option('--context <name>', 'which of its contexts')
    .option('--sluice-namespace <name>', 'where Sluice is installed', 'sluice-system')
}
