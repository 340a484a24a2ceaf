import type { TargetList } from '../balance/target.ts'
import { targetKey } from '../balance/target.ts'
import {
  factsAt,
  hasIpAt,
  ipAt,
  kindAt,
  nodeAt,
  type ServiceTable,
  uidAt,
} from '../flat/service-table.ts'
import { wordsOf } from './address.ts'

/**
 * The endpoints of a table that one of its ports may go to. A target is made when it is picked.
 * @param indexes which they are; undefined: all
 */
export function targetListOf(
  table: ServiceTable,
  servicePort: number,
  indexes: Uint32Array | undefined,
): TargetList {
  const numberAt = (index: number): number => indexes?.[index] ?? index
  const portAt = (number: number): number => kindAt(table, number).ports[servicePort] ?? 0
  const length = indexes?.length ?? table.count
  return {
    length,
    at(index) {
      const number = numberAt(index)
      const [address, port] = [ipAt(table, number), portAt(number)]
      return {
        key: targetKey(address, port),
        address,
        port,
        workload: uidAt(table, number),
        facts: factsAt(table, number),
        node: nodeAt(table, number),
      }
    },
    keyAt(index) {
      const number = numberAt(index)
      return targetKey(ipAt(table, number), portAt(number))
    },
    nodeAt: (index) => nodeAt(table, numberAt(index)),
    indexOf(key) {
      const slash = key.lastIndexOf('/')
      const [address, port] = [wordsOf(key.slice(0, slash)), Number(key.slice(slash + 1))]
      for (let index = 0; index < length; index += 1) {
        const number = numberAt(index)
        if (hasIpAt(table, number, address) && portAt(number) === port) return index
      }
      return -1
    },
  }
}
