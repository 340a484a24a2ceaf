import { type MeshStage, sample } from './stage.ts'
import { failures } from './traffic.ts'

/** The namespace leaves, and joins again. */
export async function leaveAndReturn({ world, traffic, report, mesh }: MeshStage): Promise<void> {
  const { lab, shop } = world
  report.part('Namespace shop leaves the mesh, while its programs run')
  await lab.annotateNamespace('shop', { 'sluice.dev/enroll': undefined })
  await mesh.waitExcluded(shop.all)
  await sample(traffic.clients, Date.now(), 3)
  const before = await mesh.redirected()
  const answers = await sample(traffic.clients, Date.now())
  const redirected = (await mesh.redirected()) - before
  report.say(`${answers.length} new connections, ${redirected} of them redirected`)
  report.check('new connections go directly again', redirected === 0)
  report.check('none of them failed', failures(answers).length === 0)
  const kept = traffic.kept.answers()
  report.check(
    `a connection older than the mesh answered all its ${kept.length} questions`,
    failures(kept).length === 0 && new Set(kept.map((one) => one.ok && one.local[1])).size === 1,
  )
  await lab.annotateNamespace('shop', { 'sluice.dev/enroll': 'true' })
  await mesh.waitEnrolled(shop.all)
}
