import { isStatus, type KubeApi } from '../kube/api.ts'
import { createRateLimits } from '../publish/rate-limit.ts'
import { type MeshFacts, type MeshStatus, meshStatus } from './mesh.ts'

/** Tells on XMeshes that Sluice is that mesh, and what it can. */
export interface MeshWriter {
  /** @returns 0, or after how many milliseconds to come again */
  write(meshes: readonly MeshFacts[]): Promise<number>
}

/** Somebody else who writes the same condition is not written against for ever. */
const rate = { burst: 5, perSecond: 0.1 }
const fieldManager = 'sluice-operator'

export function createMeshWriter(api: KubeApi): MeshWriter {
  const limits = createRateLimits(rate)
  /** By name: of which version an object was that is as it was applied, whatever it says. */
  const applied = new Map<string, string>()

  return {
    async write(meshes) {
      let waitMs = 0
      const names = new Set(meshes.map(({ name }) => name))
      for (const name of applied.keys()) if (!names.has(name)) applied.delete(name)
      for (const mesh of meshes) {
        const status = meshStatus(mesh, new Date().toISOString())
        if (status === undefined || applied.get(mesh.name) === mesh.resourceVersion) continue
        const mustWaitMs = limits.take(mesh.name, performance.now())
        if (mustWaitMs > 0) waitMs = Math.max(waitMs, mustWaitMs)
        else applied.set(mesh.name, await apply(api, mesh.name, status))
      }
      return waitMs
    },
  }
}

/**
 * By server-side apply: of a condition of another writer, nothing is read and nothing written.
 * @returns the object's version then
 */
async function apply(api: KubeApi, name: string, status: MeshStatus): Promise<string> {
  const apiVersion = 'gateway.networking.x-k8s.io/v1alpha1'
  try {
    const written = (await api.call({
      method: 'PATCH',
      path: `/apis/${apiVersion}/xmeshes/${encodeURIComponent(name)}/status`,
      query: { fieldManager, force: 'true' },
      body: { apiVersion, kind: 'XMesh', metadata: { name }, status },
      contentType: 'application/apply-patch+yaml',
    })) as { readonly metadata?: { readonly resourceVersion?: string } }
    return written.metadata?.resourceVersion ?? ''
  } catch (error) {
    // It is gone, or its CRD is.
    if (isStatus(error, 404)) return ''
    throw error
  }
}
