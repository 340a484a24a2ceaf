import type { ForeignKindRow } from '../../model/status.ts'
import { replicasOf } from '../cluster/replicas.ts'
import { type Finding, listed, ok, warn } from './finding.ts'
import type { ClusterFacts } from './gather.ts'

const gateway = 'gateway-api'
const smi = 'smi'
const meshKind = 'XMesh'
const routedKind = 'HTTPRoute'

/** APIs of other projects: which are here, and which of their objects have no effect. */
export function checkForeign({ nodeAnswers }: ClusterFacts): readonly Finding[] {
  const replicas = replicasOf(nodeAnswers)
  // Who leads writes what is told on objects; older replicas say nothing of this.
  const leader = replicas.find((replica) => replica.leading && replica.foreign !== undefined)
  const rows = (leader ?? replicas.find((replica) => replica.foreign !== undefined))?.foreign
  if (rows === undefined) return []
  const [ofSmi, ofGateway] = [rows.filter(isSmi), rows.filter((row) => !isSmi(row))]
  return [
    ...section(gateway, 'Gateway API', ofGateway),
    ...section(smi, 'SMI', ofSmi),
    ...ofGateway.filter(({ kind, state }) => kind === meshKind && state === 'followed').map(mesh),
  ]
}

function isSmi({ group }: ForeignKindRow): boolean {
  return group.endsWith('.smi-spec.io')
}

/** Nothing is wrong where an API is not installed. */
function section(name: string, api: string, rows: readonly ForeignKindRow[]): readonly Finding[] {
  if (rows.length > 0 && rows.every(({ state }) => state === 'absent')) {
    return [ok(name, `${api}: absent, which is no fault`)]
  }
  const routes = rows.filter(({ kind }) => kind !== meshKind)
  return [
    ...rows.flatMap((row) => versionOf(name, row)),
    ...routes.flatMap((row) => effectOf(name, row)),
  ]
}

function versionOf(name: string, row: ForeignKindRow): readonly Finding[] {
  const { kind, state, version, served, read, error } = row
  const title = `${kind} is followed`
  const bundle = row.bundle === '' ? '' : ` (${[row.bundle, row.channel].join(' ').trim()})`
  if (state === 'absent') return [ok(name, `${kind}: absent, which is no fault`)]
  if (state === 'unknown') {
    const detail = error === '' ? 'it is not known yet whether it is installed' : error
    return [warn(name, title, detail, 'helm upgrade gives the operator its rights')]
  }
  if (state === 'unusable') {
    const has = served.length === 0 ? 'nothing' : listed(served)
    const detail = `its CRD${bundle} serves ${has}, not ${read.join(' or ')}`
    return [warn(name, title, detail, 'install a version that serves one of them')]
  }
  if (error !== '') return [warn(name, title, error, 'what was known stays; look at its log')]
  const followed = `${kind}: ${version}${bundle}`
  if (version === read[0]) return [ok(name, followed)]
  const detail = `its CRD serves no ${read[0]}, and Sluice reads ${version}`
  return [warn(name, followed, detail, 'it is an old one: upgrade it when you can')]
}

/** Some kinds change nothing yet, and whoever wrote one must not find that out by himself. */
function effectOf(name: string, { kind, objects, names }: ForeignKindRow): readonly Finding[] {
  if (objects === 0) return []
  if (kind === routedKind) {
    return [ok(name, `${kind}: ${objects} for Services; each says by its conditions if it is live`)]
  }
  const more = objects > names.length ? ` (${objects} in all)` : ''
  return [
    warn(
      name,
      `objects of kind ${kind} have effect`,
      `these have none: ${listed(names)}${more}; this version does not read them, so that ` +
        'they are not in force, and nothing is told on them',
      'do not count on them in this version',
    ),
  ]
}

function mesh({ objects, names }: ForeignKindRow): Finding {
  if (objects > 0) return ok(gateway, `Sluice is told as mesh by ${meshKind} ${listed(names)}`)
  return ok(gateway, `no ${meshKind} has controllerName sluice.dev/mesh, which is no fault`)
}
