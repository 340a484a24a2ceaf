import { type Command, Option } from 'commander'
import type { PodMeshState, PodRow } from '../model/status.ts'
import { addClusterOptions, type ClusterOptions } from './cluster/cluster.ts'
import { mergePods } from './cluster/merge.ts'
import { type Answers, askReplicas, replicasOf } from './cluster/replicas.ts'
import { type Surroundings, thisProcess } from './surroundings.ts'
import { ageText, alignedTable } from './table.ts'

interface StatusOptions extends ClusterOptions {
  readonly namespace?: string
  readonly allNamespaces: boolean
  readonly oldConnections: boolean
  readonly output: 'table' | 'json'
}

/** `sluice status`: exits with 1 when a pod that is to be in the mesh is not, or is not known. */
export function registerStatus(program: Command, around = thisProcess): void {
  const command = program
    .command('status')
    .description('each pod: in the mesh since when, or why not')
    .option('-n, --namespace <name>', 'of this namespace alone')
    .option('-A, --all-namespaces', 'also of namespaces that have no pod in the mesh', false)
    .option('--old-connections', 'pods with connections older than their enrolment alone', false)
    .addOption(
      new Option('-o, --output <format>', 'form of the answer')
        .choices(['table', 'json'])
        .default('table'),
    )
  addClusterOptions(command).action(async (options: StatusOptions) => status(options, around))
}

async function status(options: StatusOptions, around: Surroundings): Promise<void> {
  const { namespace, sluiceNamespace } = options
  const query = namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`
  const cluster = await around.open(options)
  const answers = await askReplicas<PodRow>(cluster, sluiceNamespace, `/status/pods${query}`)
  if (answers.answered.length === 0) {
    const errors = answers.unanswered.map(({ pod, error }) => `${pod}: ${error}`)
    throw new Error(`no replica of the operator answers: ${errors.join('; ')}`)
  }
  const pods = chosen(mergePods(answers.answered), options)
  if (options.output === 'json') around.output.write(asJson(pods, answers))
  else {
    around.output.write(asTable(pods, around.nowMs()))
    for (const { pod, error } of answers.unanswered) {
      around.errors.write(`replica ${pod} does not answer: ${error}\n`)
    }
  }
  around.setExitCode(pods.every(isAsItShould) ? 0 : 1)
}

function chosen(
  pods: readonly PodRow[],
  { namespace, allNamespaces, oldConnections }: StatusOptions,
): readonly PodRow[] {
  const meshed = new Set(pods.filter(isOfMesh).map((pod) => pod.namespace))
  return pods
    .filter((pod) => namespace !== undefined || allNamespaces || meshed.has(pod.namespace))
    .filter((pod) => !oldConnections || pod.olderConnections > 0)
}

function isOfMesh({ wanted, state }: PodRow): boolean {
  return wanted || state === 'inMesh'
}

/**
 * A pod that has just begun is no fault, and one that cannot be in the mesh is none to wait for.
 */
function isAsItShould({ state }: PodRow): boolean {
  return state === 'inMesh' || state === 'outside' || state === 'starting'
}

function asJson(pods: readonly PodRow[], answers: Answers<PodRow>): string {
  const { unanswered } = answers
  return `${JSON.stringify({ pods, replicas: replicasOf(answers), unanswered }, undefined, 2)}\n`
}

const words: Readonly<Record<PodMeshState, string>> = {
  inMesh: 'yes',
  outside: 'no',
  starting: 'starting',
  behind: 'not yet',
  failed: 'failed',
  unheard: 'unknown',
}

function asTable(pods: readonly PodRow[], nowMs: number): string {
  if (pods.length === 0) return 'no pods: kubectl annotate namespace NAME sluice.dev/enroll=true\n'
  const rows = pods.map((pod) => [
    pod.namespace,
    pod.name,
    pod.node,
    words[pod.state],
    pod.sinceSeconds === 0 ? '-' : ageText(nowMs / 1_000 - pod.sinceSeconds),
    notes(pod),
  ])
  const heads = ['NAMESPACE', 'POD', 'NODE', 'IN MESH', 'SINCE', 'NOTE']
  const inMesh = pods.filter(({ state }) => state === 'inMesh').length
  const wanted = pods.filter((pod) => pod.wanted).length
  const sum = `${inMesh} of ${wanted} pods that are to be in the mesh are in it`
  return `${[...alignedTable(heads, rows), '', sum].join('\n')}\n`
}

function notes({ why, olderConnections, notAccelerated }: PodRow): string {
  const older =
    olderConnections === 1
      ? '1 older connection is not in the mesh until it is made anew'
      : `${olderConnections} older connections are not in the mesh until they are made anew`
  return [
    why,
    olderConnections === 0 ? '' : older,
    notAccelerated === '' ? '' : `not accelerated: ${notAccelerated}`,
  ]
    .filter((note) => note !== '')
    .join('; ')
}
