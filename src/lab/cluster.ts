import type { CgroupStyle } from './cgroup.ts'
import type { ObjectStore } from './kube/store.ts'
import type { LabPaths } from './names.ts'
import type { Fabric } from './net/fabric.ts'
import type { NodeParts } from './node.ts'

/** What a lab is made of. */
export interface Cluster {
  readonly name: string
  readonly ipv6: boolean
  readonly cgroupStyle: CgroupStyle
  readonly paths: LabPaths
  readonly nodes: readonly NodeParts[]
  readonly fabric: Fabric
  readonly objects: ObjectStore
}
