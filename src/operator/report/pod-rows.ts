import type { PodReport } from '../../model/report.ts'
import type { PodEnrolment } from '../../model/resources.ts'
import { isOfThePod } from '../../model/sandbox.ts'
import type { PodMeshState, PodRow } from '../../model/status.ts'
import type { ReportedNode } from './report-book.ts'

interface Truth {
  readonly state: PodMeshState
  readonly why: string
}

/** Whether a pod is in the mesh, since when, and if not, why. @param node undefined: unheard of */
export function podRow(enrolment: PodEnrolment, node: ReportedNode | undefined): PodRow {
  const { namespace, name, uid, acceleration } = enrolment
  const said = node?.pods.get(uid)
  const wanted = isWanted(enrolment, said)
  const reason = enrolment.reason === '' ? (said?.reason ?? '') : enrolment.reason
  const { state, why } = truthOf({ ...enrolment, enrolled: wanted, reason }, node, said)
  const inMesh = said?.state === 'enrolled'
  return {
    namespace,
    name,
    uid,
    node: enrolment.node,
    state,
    sinceSeconds: said?.sinceSeconds ?? 0,
    why,
    wanted,
    acceleration,
    notAccelerated: inMesh ? said.notAccelerated : '',
    olderConnections: inMesh ? said.connectionsBeforeOpen : 0,
  }
}

/** Where that is undecided, the node alone knows. */
function isWanted({ enrolled, undecided }: PodEnrolment, said: PodReport | undefined): boolean {
  return undecided?.includes('enrolled') === true ? said?.state !== 'excluded' : enrolled
}

function truthOf(
  { enrolled: wanted, reason, node: name }: PodEnrolment,
  node: ReportedNode | undefined,
  said: PodReport | undefined,
): Truth {
  if (node?.facts === undefined) {
    if (!wanted) return { state: 'outside', why: reason }
    return { state: 'unheard', why: `no agent of node ${name} is connected to this replica` }
  }
  if (!wanted) {
    if (said?.state !== 'enrolled') return { state: 'outside', why: reason }
    return { state: 'behind', why: `it is in the mesh still, and is to leave it: ${reason}` }
  }
  const behind = `the agent of node ${name} is behind`
  switch (said?.state) {
    case undefined:
      return { state: 'behind', why: `${behind}: it has not found the pod yet` }
    case 'enrolled':
      return { state: 'inMesh', why: '' }
    case 'failed':
    case 'starting':
      return { state: said.state, why: said.reason }
    case 'excluded':
      // What the agent found out goes before what was wished; the rest is what was wished before.
      return isOfThePod(said.reason)
        ? { state: 'outside', why: said.reason }
        : { state: 'behind', why: `${behind}: ${said.reason}` }
    case 'unknown':
      break
  }
  return { state: 'behind', why: `${behind}: ${said.reason}` }
}
