import { createLab, type Lab } from '../../../src/lab/lab.ts'
import { type Mesh, type MeshOptions, startMesh } from '../../../src/lab/mesh.ts'
import type { LabPod } from '../../../src/lab/pod.ts'

export type Mode = 'off' | 'auto' | 'full'

/** One namespace: a client on node1, a server beside it and one on node2. */
export interface Trio {
  readonly namespace: string
  readonly client: LabPod
  readonly near: LabPod
  readonly far: LabPod
}

export interface MeshWorld extends AsyncDisposable {
  readonly lab: Lab
  readonly mesh: Mesh
  /** Pods of a namespace of its own; `mode` undefined: outside the mesh. */
  addTrio(namespace: string, mode: Mode | undefined): Promise<Trio>
}

/** A lab of two nodes with Sluice on both. */
export async function createMeshWorld(options: MeshOptions = {}): Promise<MeshWorld> {
  const lab = await createLab()
  const mesh = await startMesh(lab, options).catch(async (error: unknown) => {
    await lab.close()
    throw error
  })
  return {
    lab,
    mesh,
    addTrio: async (namespace, mode) => {
      const [client, near, far] = await lab.addPods([
        { namespace, name: 'client', node: 'node1' },
        { namespace, name: 'near', node: 'node1' },
        { namespace, name: 'far', node: 'node2' },
      ])
      if (client === undefined || near === undefined || far === undefined)
        throw new Error('the lab made fewer pods than asked for')
      if (mode !== undefined) {
        await lab.annotateNamespace(namespace, {
          'sluice.dev/enroll': 'true',
          'sluice.dev/accelerate': mode,
        })
        await mesh.waitEnrolled([client, near, far])
      }
      return { namespace, client, near, far }
    },
    [Symbol.asyncDispose]: async () => {
      await mesh.stop()
      await lab.close()
    },
  }
}
