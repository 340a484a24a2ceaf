import { join } from 'node:path'
import { clusterPaths } from './names.ts'
import { run, type RunOptions } from '../command.ts'

/** The administrator's way into a cluster. */
export interface Kubectl {
  /** @returns what kubectl printed. @throws Error with what it said */
  (args: readonly string[], options?: RunOptions): Promise<string>
}

/** @param bin folder of the programs */
export function kubectlOf(cluster: string, bin: string): Kubectl {
  const { kubeconfig } = clusterPaths(cluster)
  const head = [join(bin, 'kubectl'), `--kubeconfig=${kubeconfig}`]
  return (args, options) => run([...head, ...args], options)
}

/** Creates objects, or changes them to what is given. */
export async function apply(kubectl: Kubectl, objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  await kubectl(['apply', '-f', '-'], { input })
}
