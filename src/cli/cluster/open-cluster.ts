import { KubeConfig } from '@kubernetes/client-node'
import { openKubeApi } from '../../operator/kube/api.ts'
import type { Cluster, ClusterOptions } from './cluster.ts'
import { openForward } from './forward.ts'

/** @throws Error when the kubeconfig has no such context */
export function openCluster({ kubeconfig, context }: ClusterOptions): Cluster {
  const config = new KubeConfig()
  if (kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(kubeconfig)
  // What the library makes up where it finds nothing.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('no kubeconfig was found: set KUBECONFIG, or give --kubeconfig')
  }
  if (context !== undefined) {
    const names = config.getContexts().map(({ name }) => name)
    if (!names.includes(context)) {
      throw new Error(`the kubeconfig has no context ${context}: it has ${names.join(', ')}`)
    }
    config.setCurrentContext(context)
  }
  return {
    api: openKubeApi(config, 'sluice'),
    forward: async (namespace, pod, port) => openForward(config, { namespace, pod, port }),
  }
}
