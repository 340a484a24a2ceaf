import type { Asker } from '../l4/asker.ts'
import type { AddressAnswer, MutableTables } from '../l4/tables.ts'
import type { ServiceView } from '../l4/service-view.ts'
import type { RouteTables } from '../route/route-tables.ts'

/**
 * Routes are made a little at a time. An address is known to a worker only once those of its
 * services are in use: who asked for it waits so long, and no request goes past them because it was
 * the first one. And a service is gone only once nothing can lead to it any more.
 */
export interface AddressGate {
  set(ip: string, answer: AddressAnswer | undefined): void
  setService(key: string, view: ServiceView | undefined): void
}

export function createAddressGate(
  tables: Pick<MutableTables, 'setAddress' | 'setService'>,
  routes: Pick<RouteTables, 'whenMade'>,
  asker: Pick<Asker, 'settled'>,
): AddressGate {
  const waiting = new Map<string, AddressAnswer>()
  const leaving = new Set<string>()
  return {
    set(ip, answer) {
      waiting.delete(ip)
      if (answer === undefined) {
        tables.setAddress(ip, undefined)
        return
      }
      waiting.set(ip, answer)
      const services = answer.services.map(({ key }) => key)
      routes.whenMade(services, () => {
        if (waiting.get(ip) !== answer) return
        waiting.delete(ip)
        tables.setAddress(ip, answer)
        asker.settled(ip, 'answered')
      })
    },
    setService(key, view) {
      leaving.delete(key)
      if (view !== undefined) {
        tables.setService(key, view)
        return
      }
      leaving.add(key)
      routes.whenMade(undefined, () => {
        if (leaving.delete(key)) tables.setService(key, undefined)
      })
    },
  }
}
