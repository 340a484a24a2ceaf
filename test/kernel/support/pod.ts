import type { PodEnrolment, PodListeners } from '../../../src/nodeproxy/kernel/kernel.ts'
import type { Rig } from './rig.ts'

/** A pod: a network namespace with addresses, and the proxy's listeners in it. */
export interface TestPod {
  readonly netnsFd: number
  readonly cookie: bigint
  readonly ipv4: string
  readonly ipv6: string
  readonly listeners: Required<PodListeners>
  /** What the agent would say of it. */
  readonly enrolment: PodEnrolment
}

export interface PodOptions {
  readonly ipv4?: string
  readonly ipv6?: string
  /** Further addresses inside the namespace: what lies outside the pod is played by them. */
  readonly others?: readonly string[]
  readonly accelerate?: PodEnrolment['accelerate']
  readonly failClosed?: boolean
  /** Leave it to the test to enrol it. */
  readonly enrol?: boolean
}

let podIds = 0

export async function createPod(rig: Rig, options: PodOptions = {}): Promise<TestPod> {
  const { native } = rig
  const ipv4 = options.ipv4 ?? '10.77.0.2'
  const ipv6 = options.ipv6 ?? 'fd77::2'
  const netnsFd = native.netnsCreate([ipv4, ipv6, ...(options.others ?? [])])
  const { cookie } = await native.netnsInspect(netnsFd)
  // The proxy's sockets are made in its own cgroup, as its own process makes them.
  const listen = (family: 4 | 6): Promise<number> =>
    rig.asProxyAsync(() => native.netnsListen(netnsFd, family, 512))
  const listeners = {
    outbound4: await listen(4),
    inbound4: await listen(4),
    outbound6: await listen(6),
    inbound6: await listen(6),
  }
  rig.defer(() => {
    for (const fd of [netnsFd, ...Object.values(listeners)]) native.closeFd(fd)
  })
  const enrolment: PodEnrolment = {
    podId: (podIds += 1),
    netnsCookie: cookie,
    netnsFd,
    ipv4,
    ipv6,
    failClosed: options.failClosed ?? false,
    accelerate: options.accelerate ?? 'off',
    listeners,
  }
  if (options.enrol !== false) rig.kernel.enrolPod(enrolment)
  return { netnsFd, cookie, ipv4, ipv6, listeners, enrolment }
}
