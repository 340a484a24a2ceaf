// As much of Kubernetes' objects as the verbs read. All of it may be missing.

export interface ObjectMeta {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly creationTimestamp?: string
}

export interface Condition {
  readonly type?: string
  readonly status?: string
  readonly message?: string
}

export interface ContainerStatus {
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly terminated?: object
  }
}

export interface Pod {
  readonly metadata?: ObjectMeta
  readonly spec?: { readonly nodeName?: string }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly conditions?: readonly Condition[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key?: string
    readonly operator?: string
    readonly values?: readonly string[]
  }[]
}

export interface PolicyPort {
  readonly protocol?: string
  readonly port?: number | string
  readonly endPort?: number
}

export interface PolicyRule {
  readonly ports?: readonly PolicyPort[]
}

export interface NetworkPolicy {
  readonly metadata?: ObjectMeta
  readonly spec?: {
    readonly podSelector?: LabelSelector
    readonly policyTypes?: readonly string[]
    readonly ingress?: readonly PolicyRule[]
    readonly egress?: readonly PolicyRule[]
  }
}

export interface KubeNode {
  readonly metadata?: ObjectMeta
  readonly status?: { readonly conditions?: readonly Condition[] }
}

export interface Container {
  readonly name?: string
  readonly image?: string
}

export interface DaemonSet {
  readonly metadata?: ObjectMeta
  readonly spec?: {
    readonly template?: { readonly spec?: { readonly containers?: readonly Container[] } }
  }
  readonly status?: {
    readonly desiredNumberScheduled?: number
    readonly updatedNumberScheduled?: number
    readonly numberReady?: number
  }
}

export function isReady({ status }: Pod | KubeNode): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  return ready?.status === 'True'
}

/** Labels that the chart gives to what it makes. */
const installed = 'app.kubernetes.io/part-of=sluice,app.kubernetes.io/component'
export const operatorSelector = `${installed}=operator`
export const nodeProxySelector = `${installed}=nodeproxy`
