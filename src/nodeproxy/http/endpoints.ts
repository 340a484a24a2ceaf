import type { Target } from '../balance/target.ts'
import type { HttpCommandWriter } from '../io/http-commands.ts'
import { wordsOf } from '../l4/address.ts'
import { outboundLeg } from '../l4/leg.ts'
import type { PodView } from '../l4/pod.ts'

/** Kept a little longer than most servers keep theirs: who closes first costs a retry at most. */
const idleMs = 60_000
/** To one endpoint from one pod. */
const mostIdle = 1_024
/** An endpoint that no request has used for this long is forgotten, with its connections. */
const forgetAfterMs = 120_000

/**
 * Numbers of the engine's endpoints. Each pod has its own to each target, since legs are opened in
 * the client's namespace.
 */
export interface EndpointNumbers {
  numberOf(pod: PodView, target: Target, local: PodView | undefined, nowMs: number): number
  /** Of a pod that is gone. */
  forgetPod(podId: number): void
  expire(nowMs: number): void
  readonly size: number
}

interface Known {
  readonly number: number
  readonly legFlags: number
  usedMs: number
}

export function createEndpointNumbers(
  commands: Pick<HttpCommandWriter, 'endpoint' | 'endpointRemove'>,
  connectTimeoutMs: () => number,
): EndpointNumbers {
  const pods = new Map<number, Map<string, Known>>()
  let next = 1

  function add(pod: PodView, target: Target, local: PodView | undefined): Known {
    // The port is the engine's to fill in: that of the connection that opens the leg.
    const client = { address: pod.ipv4 ?? pod.ipv6 ?? '', port: 0 }
    const leg = outboundLeg(pod, client, target, local)
    const number = next
    next = (next + 1) & 0x7fffffff || 1
    commands.endpoint({
      endpoint: number,
      netns: leg.netns,
      source: leg.source === undefined ? [0, 0, 0, 0] : wordsOf(leg.source),
      destination: wordsOf(leg.destination),
      destinationPort: leg.port,
      connectTimeoutMs: connectTimeoutMs(),
      client: wordsOf(leg.source ?? leg.client),
      legFlags: leg.flags,
      idleMs,
      mostIdle,
    })
    return { number, legFlags: legFlagsOf(local), usedMs: 0 }
  }

  return {
    numberOf(pod, target, local, nowMs) {
      let targets = pods.get(pod.podId)
      if (targets === undefined) {
        targets = new Map()
        pods.set(pod.podId, targets)
      }
      let known = targets.get(target.key)
      // A pod that joined or left the mesh, or changed its mode, is reached in another way.
      if (known !== undefined && known.legFlags !== legFlagsOf(local)) {
        commands.endpointRemove(known.number)
        known = undefined
      }
      if (known === undefined) {
        known = add(pod, target, local)
        targets.set(target.key, known)
      }
      known.usedMs = nowMs
      return known.number
    },
    forgetPod(podId) {
      for (const { number } of pods.get(podId)?.values() ?? []) commands.endpointRemove(number)
      pods.delete(podId)
    },
    expire(nowMs) {
      for (const [podId, targets] of pods) {
        for (const [key, { number, usedMs }] of targets) {
          if (usedMs + forgetAfterMs > nowMs) continue
          commands.endpointRemove(number)
          targets.delete(key)
        }
        if (targets.size === 0) pods.delete(podId)
      }
    },
    get size() {
      let size = 0
      for (const targets of pods.values()) size += targets.size
      return size
    },
  }
}

const modes = { off: 1, auto: 2, full: 3 } as const

/** What of the target's pod the leg depends on. */
function legFlagsOf(local: PodView | undefined): number {
  return local === undefined ? 0 : modes[local.acceleration]
}
