import {
  type Fields,
  hasField,
  pathOf,
  portRange,
  readText,
  readWhole,
} from '../../../model/fields.ts'
import type { BackendRef } from './route-facts.ts'

/** @param namespace of the route, where the reference names none */
export function readBackendRef(fields: Fields, namespace: string): BackendRef {
  return {
    group: readText(fields, 'group', ''),
    kind: readText(fields, 'kind', 'Service'),
    namespace: readText(fields, 'namespace', '') || namespace,
    name: readText(fields, 'name'),
    port: hasField(fields, 'port') ? readWhole(fields, 'port', portRange) : 0,
    field: pathOf(fields),
  }
}
