import { targetKey } from '../balance/target.ts'
import { ipAt, kindAt, placeNumber, placeText, type ServiceTable } from '../flat/service-table.ts'
import type { PortView } from './service-view.ts'

/**
 * Keys of the targets that may be pods of this node: their inbound connections are named after the
 * service. Others nobody asks for, so thousands of endpoints elsewhere cost no text.
 */
export function nearTargets(
  table: ServiceTable,
  ports: readonly PortView[],
  node: string,
): readonly string[] {
  const near = nearEndpoints(table, node)
  if (near.length === 0) return []
  const keys = new Set<string>()
  for (const { port, refusal, endpoints } of ports) {
    if (refusal !== undefined) continue
    for (const number of near) {
      const target = kindAt(table, number).ports[port]
      if (target === undefined || endpoints?.includes(number) === false) continue
      keys.add(targetKey(ipAt(table, number), target))
    }
  }
  return [...keys]
}

function nearEndpoints(table: ServiceTable, node: string): readonly number[] {
  const places = new Map<number, boolean>()
  const near: number[] = []
  for (let number = 0; number < table.count; number += 1) {
    const place = placeNumber(table, number)
    let here = places.get(place)
    if (here === undefined) {
      const [its] = placeText(table, place)
      // Of an address without a node nobody says that it is elsewhere.
      here = its === '' || its === node
      places.set(place, here)
    }
    if (here) near.push(number)
  }
  return near
}
