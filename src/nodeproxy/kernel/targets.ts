import { closeSync, existsSync } from 'node:fs'
import { type HookTarget, openTarget } from './hooks.ts'
import type { KernelOptions } from './kernel.ts'

/** The cgroups that hooks are attached to, as they are now. */
export interface Targets {
  readonly pods: HookTarget
  /** Undefined: none is configured, or it is not there now. */
  readonly kubelet: HookTarget | undefined
  readonly noKubeletReason: string
}

/**
 * @throws Error for a pods' cgroup that is not there, and for anything that is not of a cgroup2
 * mount
 */
export function openTargets(options: KernelOptions): Targets {
  const { podsCgroupDir, probeCgroupDir } = options
  const pods = openTarget(podsCgroupDir, "the pods' cgroup")
  const cost = "its probes reach pods through the proxy's policy"
  if (probeCgroupDir === undefined) {
    const noKubeletReason = `no kubelet cgroup is configured: ${cost}`
    return { pods, kubelet: undefined, noKubeletReason }
  }
  if (!existsSync(probeCgroupDir)) {
    // The kubelet may start after us, and makes it anew whenever it restarts.
    const noKubeletReason = `the kubelet's cgroup ${probeCgroupDir} is not there yet: ${cost}`
    return { pods, kubelet: undefined, noKubeletReason }
  }
  try {
    const kubelet = openTarget(probeCgroupDir, "the kubelet's cgroup")
    return { pods, kubelet, noKubeletReason: '' }
  } catch (error) {
    closeSync(pods.fd)
    throw error
  }
}

export function closeTargets({ pods, kubelet }: Targets): void {
  closeSync(pods.fd)
  if (kubelet !== undefined) closeSync(kubelet.fd)
}
