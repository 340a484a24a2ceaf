// Makes a lab with everything in it, says so, and waits to be killed.
//   doomed-owner.ts NAME [mesh]
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startWho } from '../../../src/lab/apps.ts'
import { processesOf } from '../../../src/lab/cgroup.ts'
import { createLab } from '../../../src/lab/lab.ts'
import { startMesh } from '../../../src/lab/mesh.ts'
import { waitFor } from '../../../src/lab/process/wait.ts'

const lab = await createLab({ name: process.argv[2] ?? '' })
const [pod] = await lab.addPods(
  lab.nodes.map(({ name: node }) => ({ node, name: `app-${node}`, labels: { app: 'app' } })),
)
if (pod === undefined) throw new Error('the lab has no node')
await lab.addService({
  name: 'app',
  selector: { app: 'app' },
  ports: [{ port: 80, targetPort: 8080 }],
})
await startWho(pod, 'doomed', 8080)
// One that would outlive its parent.
pod.spawn(['sleep', 'infinity'], { outlive: true })
mkdirSync(join(pod.node.bpffs, 'sluice'))
await waitFor('its processes', () => pod.processes().length >= 3)
if (process.argv[3] === 'mesh') {
  const mesh = await startMesh(lab)
  await lab.annotateNamespace('default', { 'sluice.dev/enroll': 'true' })
  await mesh.waitEnrolled([pod])
}
process.stdout.write(`${JSON.stringify(processesOf(lab.paths.cgroup))}\n`)
setInterval(() => {}, 60_000)
