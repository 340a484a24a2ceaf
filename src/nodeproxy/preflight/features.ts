import type { CheckId } from './catalogue.ts'

/**
 * One thing Sluice can or cannot do on this machine. `missing` and `cost` are empty where it is
 * on.
 */
export interface Feature {
  readonly on: boolean
  /** The checks that keep it off. */
  readonly missing: readonly CheckId[]
  readonly cost: string
}

export type FeatureName =
  | 'interception'
  | 'ipv6'
  | 'accelerateAuto'
  | 'accelerateFull'
  | 'blockingDetection'
  | 'spliceDetection'
  | 'directProbes'
  | 'mptcp'

export type Features = Readonly<Record<FeatureName, Feature>>

interface FeatureRule {
  readonly needs: readonly CheckId[]
  readonly cost: string
}

const interception: readonly CheckId[] = [
  'kernel',
  'cap-bpf',
  'cap-net-admin',
  'cap-perfmon',
  'cap-sys-admin',
  'cap-sys-ptrace',
  'memlock',
  'hook-connect4',
  'hook-getpeername4',
  'hook-sockops',
  'hook-sk-lookup',
  'netns-cookie',
  'bpffs',
  'programs',
  'data-path',
]
/** Without the setsockopt hook an accelerated socket could take kernel TLS and send clear text. */
const acceleration: readonly CheckId[] = [
  ...interception,
  'hook-setsockopt',
  'hook-sk-msg',
  'sockhash',
  'redirect',
  'accounting',
  'programs-acceleration',
  'data-path-accelerated',
]

const rules: Readonly<Record<FeatureName, FeatureRule>> = {
  interception: { needs: interception, cost: 'no pod of this node can be brought into the mesh' },
  ipv6: {
    needs: [...interception, 'ipv6', 'hook-connect6', 'hook-getpeername6', 'data-path-ipv6'],
    cost: 'IPv6 connections go direct, outside the mesh',
  },
  accelerateAuto: {
    needs: [...acceleration, 'fionread'],
    cost: 'by default, 7 us more CPU for each request in the proxy, 15 us on the whole path',
  },
  accelerateFull: {
    needs: acceleration,
    cost: 'connections within the node stay in the proxy: about twice the CPU for each byte',
  },
  blockingDetection: {
    needs: [...acceleration, 'tracepoint-fcntl', 'tracepoint-ioctl', 'programs-tracepoints'],
    cost: 'a program that turns a connected socket blocking may see EAGAIN in accelerate=auto',
  },
  spliceDetection: {
    needs: [...acceleration, 'tracepoint-splice', 'programs-tracepoints'],
    cost: 'a splice(2) reader is not noticed in accelerate=full and may lose bytes',
  },
  directProbes: {
    needs: [...interception, 'programs-kubelet'],
    cost: "the kubelet's probes go through the proxy, and fail while it is away",
  },
  mptcp: {
    needs: [...interception, 'mptcp'],
    cost: 'MPTCP clients go direct, outside the mesh',
  },
}

/** Says which features are left when these checks are not met. */
export function decideFeatures(unmet: ReadonlySet<CheckId>): Features {
  const decide = ({ needs, cost }: FeatureRule): Feature => {
    const missing = needs.filter((id) => unmet.has(id))
    return { on: missing.length === 0, missing, cost: missing.length === 0 ? '' : cost }
  }
  return {
    interception: decide(rules.interception),
    ipv6: decide(rules.ipv6),
    accelerateAuto: decide(rules.accelerateAuto),
    accelerateFull: decide(rules.accelerateFull),
    blockingDetection: decide(rules.blockingDetection),
    spliceDetection: decide(rules.spliceDetection),
    directProbes: decide(rules.directProbes),
    mptcp: decide(rules.mptcp),
  }
}
