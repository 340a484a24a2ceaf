import type { CounterName } from '../../../src/nodeproxy/kernel/counters.ts'

/** All that the connect hooks' decision depends on. */
export interface ConnectCase {
  readonly live: boolean
  readonly caller: 'app' | 'proxy'
  readonly pod: 'unknown' | 'excluded' | 'enrolled'
  readonly failClosed: boolean
  readonly hasIpv6: boolean
  readonly hasListeners: boolean
  readonly proxyAlive: boolean
  readonly unclassified: 'count' | 'refuse'
  readonly to: string
}

export interface Decision {
  readonly counter: CounterName
  readonly outcome: 'redirected' | 'passed' | 'EPERM' | 'ECONNREFUSED'
}

/**
 * What the hooks shall do, said once more in other words: the test compares it with what they do.
 */
export function decideConnect(it: ConnectCase): Decision {
  const passed = (counter: CounterName): Decision => ({ counter, outcome: 'passed' })
  const address = it.to.replace('::ffff:', '')
  const isIpv6 = address.includes(':')
  if (address.startsWith('127.') || address === '::1') return passed('connectLoopback')
  if (isUnroutable(address)) return passed('connectNotRoutable')
  if (!it.live) return passed('connectInactive')
  if (it.caller === 'proxy') return passed('connectProxyOwn')
  if (it.pod === 'unknown') {
    return it.unclassified === 'refuse'
      ? { counter: 'connectUnclassifiedRefused', outcome: 'EPERM' }
      : passed('connectUnclassified')
  }
  if (it.pod === 'excluded') return passed('connectNotEnrolled')
  if (isIpv6 && !it.hasIpv6) return passed('connectNoFamily')
  if (!it.proxyAlive) return unavailable('connectProxyDead', it.failClosed)
  if (!it.hasListeners) return unavailable('connectNoListener', it.failClosed)
  return { counter: 'connectRedirected', outcome: 'redirected' }
}

function unavailable(why: 'connectProxyDead' | 'connectNoListener', failClosed: boolean): Decision {
  return failClosed
    ? { counter: `${why}Refused`, outcome: 'ECONNREFUSED' }
    : { counter: `${why}Direct`, outcome: 'passed' }
}

function isUnroutable(address: string): boolean {
  if (!address.includes(':')) {
    const first = Number(address.split('.')[0])
    return address === '0.0.0.0' || first >= 224
  }
  const first = Number.parseInt(address.split(':')[0] || '0', 16)
  const linkLocal = first >= 0xfe80 && first <= 0xfebf
  return address === '::' || first >= 0xff00 || linkLocal
}
