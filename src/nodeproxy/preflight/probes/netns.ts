import { type Ask, failed, passed } from '../ask.ts'
import type { Native } from '../../native.ts'
import { addresses } from './places.ts'

export interface ScratchNetns {
  readonly fd: number
  readonly cookie: bigint
  readonly ipv6: boolean
}

/**
 * Makes a network namespace that only its descriptor holds, with a pod's addresses on its loopback.
 * Whether IPv6 works is a question of its own: without it the namespace has the IPv4 address alone.
 */
export async function probeNetns(ask: Ask, native: Native): Promise<ScratchNetns | undefined> {
  let ipv6: Error | undefined
  const netns = await ask('netns', async () => {
    let fd: number
    try {
      fd = native.netnsCreate([addresses[4].pod, addresses[6].pod])
    } catch (error) {
      ipv6 = error as Error
      fd = native.netnsCreate([addresses[4].pod])
    }
    const { cookie } = await native.netnsInspect(fd)
    return passed('made, entered and listened in', { fd, cookie, ipv6: ipv6 === undefined })
  })
  await ask('ipv6', () => (ipv6 === undefined ? passed('works', undefined) : failed(ipv6.message)))
  return netns
}
