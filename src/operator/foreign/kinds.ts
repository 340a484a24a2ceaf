/** A kind of object of another project's API, which a cluster may have or not. */
export interface ForeignKind {
  readonly kind: string
  readonly group: string
  readonly plural: string
  /** Those that are read, the best first. */
  readonly versions: readonly string[]
  /** Names are all that is read of its objects. */
  readonly metadataOnly: boolean
}

const gatewayGroup = 'gateway.networking.k8s.io'

/** Attached to Services by their parentRefs. */
export const httpRoutes: ForeignKind = {
  kind: 'HTTPRoute',
  group: gatewayGroup,
  plural: 'httproutes',
  versions: ['v1', 'v1beta1'],
  metadataOnly: false,
}

/** The same. */
export const grpcRoutes: ForeignKind = {
  kind: 'GRPCRoute',
  group: gatewayGroup,
  plural: 'grpcroutes',
  versions: ['v1', 'v1alpha2'],
  metadataOnly: false,
}

/** Experimental, hence its group and the X. */
export const meshes: ForeignKind = {
  kind: 'XMesh',
  group: 'gateway.networking.x-k8s.io',
  plural: 'xmeshes',
  versions: ['v1alpha1'],
  metadataOnly: false,
}

/** SMI's objects are for whichever mesh there is: each is meant for this one too. */
export const smiKinds: readonly ForeignKind[] = [
  {
    kind: 'TrafficSplit',
    group: 'split.smi-spec.io',
    plural: 'trafficsplits',
    versions: ['v1alpha4', 'v1alpha3', 'v1alpha2', 'v1alpha1'],
    metadataOnly: true,
  },
  {
    kind: 'TrafficTarget',
    group: 'access.smi-spec.io',
    plural: 'traffictargets',
    versions: ['v1alpha3', 'v1alpha2', 'v1alpha1'],
    metadataOnly: true,
  },
]

export function crdName({ plural, group }: ForeignKind): string {
  return `${plural}.${group}`
}
