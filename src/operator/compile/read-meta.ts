import {
  type Fields,
  readFlag,
  readObject,
  readObjects,
  readRaw,
  readText,
  readTextMap,
} from '../../model/fields.ts'
import type { Kind, ObjectFacts } from './facts.ts'

const clusterScoped: readonly Kind[] = ['MeshConfig', 'Namespace', 'Node']

/** Namespaced objects that name none, or the empty one, are in `default`, as kubectl has it. */
export function readMeta<K extends Kind>(
  fields: Fields,
  kind: K,
): ObjectFacts & { readonly kind: K } {
  const metadata = readObject(fields, 'metadata')
  const name = readText(metadata, 'name')
  return {
    kind,
    name,
    namespace: clusterScoped.includes(kind) ? '' : readText(metadata, 'namespace', '') || 'default',
    uid: readText(metadata, 'uid', ''),
    labels: readTextMap(metadata, 'labels'),
    annotations: readTextMap(metadata, 'annotations'),
    created: readTime(metadata, 'creationTimestamp'),
    deleting: readTime(metadata, 'deletionTimestamp') !== '',
  }
}

/** client-node makes Dates of times, YAML leaves text. */
function readTime(metadata: Fields, name: string): string {
  const value = readRaw(metadata, name)
  return value instanceof Date ? value.toISOString() : readText(metadata, name, '')
}

export function readController(fields: Fields): { kind: string; name: string } | undefined {
  const owners = readObjects(readObject(fields, 'metadata'), 'ownerReferences')
  const controller = owners.find((owner) => readFlag(owner, 'controller', false))
  if (controller === undefined) return undefined
  return { kind: readText(controller, 'kind'), name: readText(controller, 'name') }
}
