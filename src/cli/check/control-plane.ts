import type { ReplicaFacts } from '../../model/status.ts'
import { isReady, type Pod } from '../cluster/objects.ts'
import { replicasOf } from '../cluster/replicas.ts'
import { type Finding, fail, listed, ok, warn } from './finding.ts'
import type { ClusterFacts } from './gather.ts'

const api = 'kubernetes-api'
const operator = 'sluice-operator'

export function checkApi({ kubernetesVersion: version }: ClusterFacts): readonly Finding[] {
  const title = 'the Kubernetes API answers'
  if (version.ok) return [ok(api, `${title} (${version.value})`)]
  return [fail(api, title, version.error, 'look at --kubeconfig and --context')]
}

export function checkOperator(facts: ClusterFacts): readonly Finding[] {
  const { operatorPods: pods, sluiceNamespace } = facts
  const title = 'the operator is installed'
  if (!pods.ok) return [fail(operator, title, pods.error, 'may you list pods there?')]
  if (pods.value.length === 0) {
    const detail = `no pod of it in namespace ${sluiceNamespace}`
    return [fail(operator, title, detail, 'helm install it, or give --sluice-namespace')]
  }
  return [ok(operator, title), checkReplicas(pods.value, sluiceNamespace), ...checkAnswers(facts)]
}

function checkReplicas(pods: readonly Pod[], namespace: string): Finding {
  const title = `its replicas are ready (${pods.filter(isReady).length} of ${pods.length})`
  const bad = pods.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata?.name ?? '')
  if (bad.length === 0) return ok(operator, title)
  const hint = `kubectl -n ${namespace} describe pod ${bad[0]}`
  const report = bad.length === pods.length ? fail : warn
  return report(operator, title, `not ready: ${listed(bad)}`, hint)
}

function checkAnswers(facts: ClusterFacts): readonly Finding[] {
  const { nodeAnswers, cliVersion } = facts
  const { unanswered } = nodeAnswers
  const replicas = replicasOf(nodeAnswers)
  const title = 'its replicas tell what they know'
  const errors = unanswered.map(({ pod, error }) => `${pod}: ${error}`)
  const hint = 'you need create on pods/portforward there'
  if (replicas.length === 0) return [fail(operator, title, listed(errors), hint)]
  return [
    errors.length === 0 ? ok(operator, title) : warn(operator, title, listed(errors), hint),
    checkServing(replicas),
    checkLeader(replicas),
    checkVersions(replicas, cliVersion),
    checkProblems(replicas),
  ]
}

function checkServing(replicas: readonly ReplicaFacts[]): Finding {
  const title = 'its replicas serve what the cluster says'
  const bad = replicas.filter(({ notReady }) => notReady !== '')
  if (bad.length === 0) return ok(operator, title)
  const detail = listed(bad.map(({ replica, notReady }) => `${replica}: ${notReady}`))
  const report = bad.length === replicas.length ? fail : warn
  return report(operator, title, detail, 'look at its log and at the rights of its account')
}

function checkLeader(replicas: readonly ReplicaFacts[]): Finding {
  const title = 'one replica leads'
  const leaders = replicas.filter(({ leading }) => leading).map(({ replica }) => replica)
  if (leaders.length === 1) return ok(operator, title)
  const detail = leaders.length === 0 ? 'none does' : `these do: ${listed(leaders)}`
  const hint = 'after a change of leaders it takes some seconds; look at Lease sluice-operator'
  return warn(operator, title, detail, hint)
}

function checkVersions(replicas: readonly ReplicaFacts[], cliVersion: string): Finding {
  const title = `its version is this command's (${cliVersion})`
  const others = replicas
    .filter(({ version }) => version !== cliVersion)
    .map(({ replica, version }) => `${replica} has ${version}`)
  if (others.length === 0) return ok(operator, title)
  return warn(operator, title, listed(others), 'use the command of that version, or helm upgrade')
}

function checkProblems(replicas: readonly ReplicaFacts[]): Finding {
  const title = "the cluster's objects are as they should be"
  const problems = [...new Set(replicas.flatMap((replica) => replica.problems))]
  if (problems.length === 0) return ok(operator, title)
  return warn(operator, title, listed(problems), 'the last good version of each stays in force')
}
