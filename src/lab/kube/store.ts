import { endpointSlicesOf } from './endpoint-slices.ts'
import type { EndpointSliceObject, KubeObject, PodObject, ServiceObject } from './objects.ts'
import { isKind } from './objects.ts'
import { namespaceObject } from './specs.ts'

/**
 * The lab's API server: the objects of what it made, EndpointSlices derived. Objects are never
 * changed, only replaced, so readers may keep what they were given.
 */
export interface ObjectStore {
  /** Adds or replaces; a namespace that the object names comes into being. */
  put(object: KubeObject): void
  remove(object: KubeObject): void
  get<K extends KubeObject['kind']>(
    kind: K,
    namespace: string,
    name: string,
  ): Extract<KubeObject, { kind: K }> | undefined
  /** Replaces what `change` gives for it. @throws Error when it is not there */
  update<K extends KubeObject['kind']>(
    kind: K,
    namespace: string,
    name: string,
    change: (object: Extract<KubeObject, { kind: K }>) => Extract<KubeObject, { kind: K }>,
  ): void
  /** Everything, slices included. */
  list(): readonly KubeObject[]
  /** Called after each change, with everything. Gives the function that ends it. */
  watch(listener: (objects: readonly KubeObject[]) => void): () => void
}

export function createObjectStore(): ObjectStore {
  const objects = new Map<string, KubeObject>()
  const listeners = new Set<(objects: readonly KubeObject[]) => void>()
  let listed: readonly KubeObject[] | undefined

  const list = () => (listed ??= withSlices([...objects.values()]))
  const changed = () => {
    listed = undefined
    for (const listener of listeners) listener(list())
  }
  const get: ObjectStore['get'] = <K extends KubeObject['kind']>(
    kind: K,
    namespace: string,
    name: string,
  ) => objects.get(keyOf(kind, namespace, name)) as Extract<KubeObject, { kind: K }> | undefined
  const put = (object: KubeObject) => {
    const { namespace = '', name } = object.metadata
    if (namespace !== '' && get('Namespace', '', namespace) === undefined) {
      objects.set(keyOf('Namespace', '', namespace), namespaceObject(namespace))
    }
    objects.set(keyOf(object.kind, namespace, name), object)
    changed()
  }
  return {
    put,
    get,
    list,
    remove: ({ kind, metadata }) => {
      if (objects.delete(keyOf(kind, metadata.namespace ?? '', metadata.name))) changed()
    },
    update: (kind, namespace, name, change) => {
      const object = get(kind, namespace, name)
      if (object === undefined)
        throw new Error(
          `the lab has no ${kind} ${namespace === '' ? name : `${namespace}/${name}`}`,
        )
      put(change(object))
    },
    watch: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`
}

function withSlices(objects: readonly KubeObject[]): readonly KubeObject[] {
  const pods: readonly PodObject[] = objects.filter(isKind('Pod'))
  const services: readonly ServiceObject[] = objects.filter(isKind('Service'))
  const zones = new Map(
    objects
      .filter(isKind('Node'))
      .map(({ metadata }) => [metadata.name, metadata.labels['topology.kubernetes.io/zone'] ?? '']),
  )
  const slices: readonly EndpointSliceObject[] = services.flatMap((service) =>
    endpointSlicesOf(service, pods, zones),
  )
  return [...objects, ...slices]
}
