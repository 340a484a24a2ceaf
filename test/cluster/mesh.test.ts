// Enrolled pods under steady load, on a cluster that is shared by all of these tests: what is in
// mesh/ runs in this order.
import { after, before } from 'node:test'
import { nodeFailureTests } from './mesh/node-failures.ts'
import { serviceTests } from './mesh/services.ts'
import { trafficTests } from './mesh/traffic.ts'
import { createMesh, type Mesh } from './support/mesh.ts'

let made: Mesh
before(async () => {
  made = await createMesh(`mesh-${process.pid}`, ['--set', 'nodeproxy.drainSeconds=5'])
})
after(async () => made.close())

const mesh = () => made
trafficTests(mesh)
serviceTests(mesh)
nodeFailureTests(mesh)
