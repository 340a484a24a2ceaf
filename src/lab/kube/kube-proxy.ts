import { nftApply } from '../net/nft.ts'
import { type IpFamily, isKind, type KubeObject } from './objects.ts'
import { type ProxyRules, proxyRules } from './proxy-rules.ts'

/** Keeps the service rules of one node as the objects say. */
export interface KubeProxy {
  /** Resolves when rules that hold at least these objects are in the kernel. */
  sync(objects: readonly KubeObject[]): Promise<void>
}

export function createKubeProxy(
  node: string,
  netns: string,
  families: readonly IpFamily[],
): KubeProxy {
  const previous = new Map<IpFamily, ProxyRules>()
  let latest: readonly KubeObject[] = []
  let applied: readonly KubeObject[] | undefined
  let running: Promise<void> = Promise.resolve()

  async function apply(): Promise<void> {
    // Many changes that came while rules were being written are one next write.
    if (applied === latest) return
    const objects = latest
    const services = objects.filter(isKind('Service'))
    const slices = objects.filter(isKind('EndpointSlice'))
    const rules = families.map((family) => ({
      family,
      rules: proxyRules(node, family, services, slices, previous.get(family)),
    }))
    if (rules.some(({ family, rules: { text } }) => previous.get(family)?.text !== text)) {
      await nftApply(netns, rules.map(({ rules: { text } }) => text).join(''))
      for (const one of rules) previous.set(one.family, one.rules)
    }
    applied = objects
  }

  return {
    sync: async (objects) => {
      latest = objects
      const next = running.then(apply)
      running = next.catch(() => {})
      await next
    },
  }
}
