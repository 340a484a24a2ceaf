import type { Cluster } from './cluster.ts'
import type { KubeObject, ServiceObject } from './kube/objects.ts'
import { type ServiceSpec, serviceObject } from './kube/specs.ts'
import { annotated, type Annotations } from './pods.ts'

/** What of a lab is about objects alone. Nodes' rules follow before a promise resolves. */
export interface ObjectVerbs {
  addService(spec: ServiceSpec): Promise<ServiceObject>
  removeService(namespace: string, name: string): Promise<void>
  /**
   * Puts an object as it is, or in place of one of that name: slices of a service without selector,
   * say.
   */
  apply(object: KubeObject): Promise<void>
  remove(object: KubeObject): Promise<void>
  /** Undefined takes an annotation away. */
  annotateNamespace(namespace: string, annotations: Annotations): Promise<void>
}

/** @param settle brings the nodes' rules to what the objects say */
export function objectVerbs(cluster: Cluster, settle: () => Promise<void>): ObjectVerbs {
  const { objects, ipv6 } = cluster
  let services = 0
  const apply = async (object: KubeObject) => {
    objects.put(object)
    await settle()
  }
  const remove = async (object: KubeObject) => {
    objects.remove(object)
    await settle()
  }
  return {
    apply,
    remove,
    addService: async (spec) => {
      const service = serviceObject(spec, services++, ipv6)
      await apply(service)
      return service
    },
    removeService: async (namespace, name) => {
      const service = objects.get('Service', namespace, name)
      if (service !== undefined) await remove(service)
    },
    annotateNamespace: async (namespace, annotations) => {
      objects.update('Namespace', '', namespace, (object) => ({
        ...object,
        metadata: annotated(object.metadata, annotations),
      }))
      await settle()
    },
  }
}
