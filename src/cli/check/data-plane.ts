import type { NodeFacts } from '../../model/report.ts'
import type { NodeRow, PodRow } from '../../model/status.ts'
import { mergeNodes, mergePods } from '../cluster/merge.ts'
import { isReady } from '../cluster/objects.ts'
import { type Finding, fail, listed, ok, warn } from './finding.ts'
import type { ClusterFacts } from './gather.ts'

const section = 'sluice-nodeproxy'
/** A full map refuses; before that there is time. */
const fillWarnPercent = 80
const fillFailPercent = 98

type HeardNode = NodeRow & { readonly facts: NodeFacts }

export function checkNodes(facts: ClusterFacts): readonly Finding[] {
  const { nodeAnswers, cliVersion } = facts
  const installed = checkDaemonSet(facts)
  if (nodeAnswers.answered.length === 0) return installed
  const nodes = mergeNodes(nodeAnswers.answered)
  const heard = nodes.filter((node): node is HeardNode => node.facts !== undefined)
  return [
    ...installed,
    checkAgents(facts, nodes),
    checkEach(
      heard,
      'nodes serve their pods',
      fail,
      nodeHint,
      ({ facts: { notReady } }) => notReady,
    ),
    checkEach(
      heard,
      "nodes run this command's version",
      warn,
      'an upgrade may be under way: kubectl rollout status',
      ({ facts: { version } }) => (version === cliVersion ? '' : version),
    ),
    ...checkKernels(heard),
    checkEach(
      nodes,
      'nodes take their configuration',
      warn,
      'they keep the last good one: sluice config node NAME',
      ({ streams }) => streams.find(({ lastError }) => lastError !== '')?.lastError ?? '',
    ),
  ]
}

const nodeHint = 'look at the log of nodeproxy there'

function checkDaemonSet({ daemonSets, sluiceNamespace }: ClusterFacts): readonly Finding[] {
  const title = 'the DaemonSet is rolled out'
  if (!daemonSets.ok) return [fail(section, title, daemonSets.error, 'may you list daemonsets?')]
  const [set] = daemonSets.value
  if (set === undefined) {
    const detail = `there is none in namespace ${sluiceNamespace}`
    return [fail(section, title, detail, 'helm install it, or give --sluice-namespace')]
  }
  const {
    desiredNumberScheduled: desired = 0,
    numberReady = 0,
    updatedNumberScheduled = 0,
  } = set.status ?? {}
  const count = `${title} (${numberReady} of ${desired} ready)`
  if (numberReady >= desired && updatedNumberScheduled >= desired) return [ok(section, count)]
  const detail = `${numberReady} of ${desired} ready, ${updatedNumberScheduled} up to date`
  const hint = `kubectl -n ${sluiceNamespace} rollout status daemonset ${set.metadata?.name}`
  return [warn(section, count, detail, hint)]
}

function checkAgents({ nodes: kube }: ClusterFacts, nodes: readonly NodeRow[]): Finding {
  const heard = new Set(nodes.filter((node) => node.facts !== undefined).map(({ node }) => node))
  const ready = kube.ok ? kube.value.filter(isReady) : []
  // Without the right to list nodes, those with pods are what is known.
  const names = kube.ok
    ? ready.map(({ metadata }) => metadata?.name ?? '')
    : nodes.map(({ node }) => node)
  const missing = names.filter((name) => !heard.has(name))
  const count = `${names.length - missing.length} of ${names.length}`
  const title = `the agent of each node reports (${count})`
  if (missing.length === 0) return ok(section, title)
  const hint = 'does nodeproxy run there, and does a NetworkPolicy close port 15012 to it?'
  return fail(section, title, `nothing is heard from ${listed(missing)}`, hint)
}

function checkKernels(nodes: readonly HeardNode[]): readonly Finding[] {
  const fill =
    (from: number, to: number) =>
    ({ facts: { maps } }: HeardNode) =>
      maps
        .filter(({ percent }) => percent >= from && percent < to)
        .map(({ map, percent, maxEntries }) => `${map} is ${percent} % full of ${maxEntries}`)
        .join(', ')
  const off =
    (wanted: (name: string) => boolean) =>
    ({ facts: { features } }: HeardNode) =>
      features
        .filter((feature) => !feature.on && wanted(feature.name))
        .map(({ name, reason }) => `${name}: ${reason}`)
        .join(', ')
  const isHooks = (name: string) => name === 'hooks'
  const preflight = 'sluice preflight --cluster says what each node lacks'
  const mapHint = 'see docs/limits.md for what fills it'
  const almost = checkEach(
    nodes,
    'kernel maps have room',
    warn,
    mapHint,
    fill(fillWarnPercent, fillFailPercent),
  )
  const full = checkEach(
    nodes,
    'kernel maps have room',
    fail,
    mapHint,
    fill(fillFailPercent, Infinity),
  )
  return [
    checkEach(nodes, 'hooks are attached', fail, preflight, off(isHooks)),
    checkEach(
      nodes,
      'kernels have all features',
      warn,
      preflight,
      off((name) => !isHooks(name)),
    ),
    full.status === 'ok' ? almost : full,
  ]
}

/** One finding over all nodes. @param faultOf what is wrong with one; empty: nothing */
function checkEach<T extends NodeRow>(
  nodes: readonly T[],
  title: string,
  report: typeof fail,
  hint: string,
  faultOf: (node: T) => string,
): Finding {
  const groups = Map.groupBy(nodes, faultOf)
  groups.delete('')
  const faults = [...groups].map(([fault, found]) => {
    const names = found.map(({ node }) => node)
    return `${listed(names)}: ${fault}`
  })
  return faults.length === 0 ? ok(section, title) : report(section, title, listed(faults), hint)
}

export function checkPods({ podAnswers }: ClusterFacts): readonly Finding[] {
  if (podAnswers.answered.length === 0) return []
  const pods = mergePods(podAnswers.answered)
  const wanted = pods.filter((pod) => pod.wanted)
  const inMesh = pods.filter(({ state }) => state === 'inMesh')
  const title = `pods that are to be in the mesh are in it (${inMesh.length} of ${wanted.length})`
  const failed = named(pods, ({ state }) => state === 'failed' || state === 'unheard')
  const behind = named(pods, ({ state }) => state === 'behind')
  const hint = 'sluice status says more'
  const older = named(pods, ({ olderConnections }) => olderConnections > 0)
  const olderTitle = 'connections of pods are all in the mesh'
  const mesh = 'sluice-pods'
  return [
    failed.length > 0
      ? fail(mesh, title, listed(failed), hint)
      : behind.length > 0
        ? warn(mesh, title, listed(behind), 'wait some seconds; then look at the log of nodeproxy')
        : ok(mesh, title),
    older.length > 0
      ? warn(
          mesh,
          olderTitle,
          `some are older than the enrolment of ${listed(older)}`,
          'sluice status --old-connections; a restart of the pod makes them anew',
        )
      : ok(mesh, olderTitle),
  ]
}

function named(pods: readonly PodRow[], isMeant: (pod: PodRow) => boolean): readonly string[] {
  return pods
    .filter(isMeant)
    .map(({ namespace, name, why }) => `${namespace}/${name}${why === '' ? '' : ` (${why})`}`)
}
