import { type Command, Option } from 'commander'
import { packageVersion } from '../package-version.ts'
import { checkApi, checkOperator } from './check/control-plane.ts'
import { checkNodes, checkPods } from './check/data-plane.ts'
import type { Finding } from './check/finding.ts'
import { findingsText, worstOf } from './check/findings-text.ts'
import { checkForeign } from './check/foreign-apis.ts'
import { type ClusterFacts, gather } from './check/gather.ts'
import { checkPolicies } from './check/network-policies.ts'
import { addClusterOptions, type ClusterOptions } from './cluster/cluster.ts'
import { type Surroundings, thisProcess } from './surroundings.ts'
import { describeTerminal } from './terminal.ts'

interface CheckOptions extends ClusterOptions {
  readonly output: 'table' | 'json'
}

/** `sluice check`: exits with 1 when something is wrong; warnings are no reason to. */
export function registerCheck(program: Command, around = thisProcess): void {
  const command = program
    .command('check')
    .description('say whether Sluice works on this cluster, and what to do where it does not')
    .addOption(
      new Option('-o, --output <format>', 'form of the answer')
        .choices(['table', 'json'])
        .default('table'),
    )
  addClusterOptions(command).action(async (options: CheckOptions) => check(options, around))
}

async function check(options: CheckOptions, around: Surroundings): Promise<void> {
  const cluster = await around.open(options)
  const facts = await gather(cluster, options.sluiceNamespace, packageVersion())
  const findings = findingsOf(facts)
  const status = worstOf(findings)
  around.output.write(
    options.output === 'json'
      ? `${JSON.stringify({ status, checks: findings }, undefined, 2)}\n`
      : findingsText(findings, describeTerminal(around.output, around.env)),
  )
  around.setExitCode(status === 'fail' ? 1 : 0)
}

/** Without an API there is nothing else to be said. */
export function findingsOf(facts: ClusterFacts): readonly Finding[] {
  const api = checkApi(facts)
  if (!facts.kubernetesVersion.ok) return api
  return [
    ...api,
    ...checkOperator(facts),
    ...checkNodes(facts),
    ...checkPods(facts),
    ...checkPolicies(facts),
    ...checkForeign(facts),
  ]
}
