import { counts, milliseconds } from './report.ts'
import { sample, type Stage } from './stage.ts'
import { medianUs, whoAnswered } from './traffic.ts'

/** Before the mesh: what there is to compare with. */
export async function showDirect({ world, traffic, conntrack, report }: Stage): Promise<void> {
  report.part('No mesh: traffic runs as Kubernetes has it')
  const mark = conntrack.mark()
  const answers = await sample(traffic.clients, Date.now())
  const entries = conntrack.entriesOf([world.shop.client], mark)
  const translated = entries.filter((entry) => entry.translated).length
  report.figures.latencyDirectUs = medianUs(answers)
  report.figures.conntrackBefore = entries.length
  report.say(
    `${answers.length} connections of shop/client, answered by ${counts(whoAnswered(answers))}`,
  )
  report.say(`a new connection and its answer take ${milliseconds(medianUs(answers))} (median)`)
  report.say(`conntrack: ${entries.length} entries, ${translated} with address translation`)
  report.check('both endpoints answer', Object.keys(whoAnswered(answers)).length === 2)
}
