/**
 * How kubelets name the cgroups of pods. The cgroupfs driver: `burstable/pod<uid>`. The systemd
 * driver: `kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice`, with `_` for the uid's
 * dashes, since a dash separates levels of a slice. Guaranteed pods have no class directory. A uid
 * has 36 characters, or 32 without dashes for static pods.
 */

const systemdPod = /-pod([^-]+)\.slice$/u
const cgroupfsPod = /^pod(.+)$/u
const classDirectory = /(?:^|-)(?:burstable|besteffort)(?:\.slice)?$/u

/** The uid of the pod whose cgroup directory has this name; undefined when it is not a pod's. */
export function podUidOf(directory: string): string | undefined {
  const slice = systemdPod.exec(directory)?.[1]
  if (slice !== undefined) return slice.replaceAll('_', '-')
  if (directory.endsWith('.slice') || directory.endsWith('.scope')) return undefined
  return cgroupfsPod.exec(directory)?.[1]
}

/** True for the directory of a quality-of-service class, which holds pods. */
export function isClassDirectory(directory: string): boolean {
  return classDirectory.test(directory)
}
