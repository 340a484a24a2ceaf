import type { PodChoice, PodEnrolment, Resource } from '../../model/resources.ts'
import type { NodeTables } from './node-tables.ts'

/**
 * Puts what this node was told before in the place of what the operator leaves undecided. What was
 * undecided then, too, is as it is sent.
 */
export function withUndecided(
  upserts: readonly Resource[],
  tables: Pick<NodeTables, 'enrolment'>,
): readonly Resource[] {
  return upserts.map((resource) => {
    if (resource.type !== 'enrolment' || resource.undecided === undefined) return resource
    const held = tables.enrolment(resource.uid)
    return held === undefined ? resource : decide(resource, resource.undecided, held)
  })
}

function decide(
  sent: PodEnrolment,
  undecided: readonly PodChoice[],
  held: PodEnrolment,
): PodEnrolment {
  const { undecided: _, ...rest } = sent
  const isKnown = (choice: PodChoice) => held.undecided?.includes(choice) !== true
  const known = undecided.filter(isKnown)
  const open = undecided.filter((choice) => !isKnown(choice))
  const kept = Object.fromEntries(known.map((choice) => [choice, held[choice]]))
  const reason = known.includes('enrolled') ? held.reason : sent.reason
  return { ...rest, ...kept, reason, ...(open.length === 0 ? {} : { undecided: open }) }
}
