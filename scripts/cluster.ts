// A real Kubernetes on this machine: `npm run cluster -- up|down|status|kubeconfig|…`. See
// docs/cluster.md.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { prepareParts } from './cluster/build.ts'
import { missingParts, partsCache } from './cluster/cache.ts'
import { openCluster } from './cluster/cluster.ts'
import { removeCluster } from './cluster/down.ts'
import { clustersOnMachine, DEFAULT_NAME } from './cluster/names.ts'
import { enterArgv } from './cluster/place.ts'
import { clusterStatus, renderStatus } from './cluster/status.ts'
import { createCluster } from './cluster/up.ts'

interface Named {
  readonly name: string
}

/** On stderr: what programs read goes to stdout. */
function say(message: string): void {
  process.stderr.write(`cluster: ${message}\n`)
}

async function up({ name }: Named): Promise<void> {
  const start = performance.now()
  const { kubeconfig } = await createCluster(name, say)
  const seconds = Math.round((performance.now() - start) / 1000)
  const which = name === DEFAULT_NAME ? '' : ` --name ${name}`
  const hints = [
    `cluster ${name} is up (${seconds} s): two nodes`,
    `export KUBECONFIG=${kubeconfig}`,
    `npm run -s cluster -- kubectl${which} get nodes`,
    `npm run -s cluster -- down${which}`,
  ]
  process.stdout.write(`${hints.join('\n')}\n`)
}

async function down({ name, all }: Named & { readonly all: boolean }): Promise<void> {
  const found = clustersOnMachine()
  for (const one of all ? found : [name]) {
    await removeCluster(one)
    process.stdout.write(`cluster ${one} ${found.includes(one) ? 'is down' : 'is not there'}\n`)
  }
}

async function status({ name, output }: Named & { readonly output: string }): Promise<void> {
  const found = await clusterStatus(name, partsCache().bin)
  if (found === undefined) {
    openCluster(name)
    return
  }
  const text = output === 'json' ? `${JSON.stringify(found, undefined, 2)}\n` : renderStatus(found)
  process.stdout.write(text)
  process.exitCode = found.ok ? 0 : 1
}

async function load(archive: string, { name }: Named): Promise<void> {
  await openCluster(name).load(resolve(archive))
  process.stdout.write(`${archive} is on every node\n`)
}

async function parts(): Promise<void> {
  const { bin } = await prepareParts(say)
  process.stdout.write(`${bin}\n`)
}

/** Ends as the command ends. */
async function pass(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [command = '', ...args] = argv
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  // Those of the terminal reach the command by themselves, and what it makes of them counts.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => {})
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
}

const program = new Command('cluster')
  .description('a real two-node Kubernetes on this machine, in network namespaces')
  .enablePositionalOptions()
const named = (verb: string, description: string) =>
  program
    .command(verb)
    .description(description)
    .option('--name <name>', 'name of the cluster', DEFAULT_NAME)

named('up', 'make one; the first time builds its parts, which takes minutes').action(up)
named('down', 'remove one, and everything that it left')
  .option('--all', 'every cluster on this machine', false)
  .action(down)
named('status', 'say what runs; exits with 1 when something does not')
  .addOption(new Option('-o, --output <form>').choices(['table', 'json']).default('table'))
  .action(status)
named('kubeconfig', "print the path of the administrator's kubeconfig").action(
  ({ name }: Named) => void process.stdout.write(`${openCluster(name).kubeconfig}\n`),
)
named('load', 'put an image on every node: an OCI archive, or one of `docker save`')
  .argument('<archive>')
  .action(load)
for (const tool of ['kubectl', 'helm']) {
  named(tool, `run ${tool} against it`)
    .argument('[arguments...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: readonly string[], { name }: Named) => {
      const { bin, kubeconfig } = openCluster(name)
      await pass([`${bin}/${tool}`, ...args], { KUBECONFIG: kubeconfig })
    })
}
named('exec', 'run a command on a machine of it: node1, node2 or control')
  .argument('<machine>')
  .argument('<command...>')
  .passThroughOptions()
  .action(async (machine: string, command: readonly string[], { name }: Named) => {
    await pass(enterArgv(openCluster(name).place(machine), command))
  })
program
  .command('parts')
  .description("build the cluster's programs where they are missing, and print their folder")
  .option('--check', 'build nothing; exit with 1 when one is missing', false)
  .action(async ({ check }: { readonly check: boolean }) => {
    if (!check) return parts()
    const missing = await missingParts(partsCache())
    process.stdout.write(missing.map(({ name }) => `missing: ${name}\n`).join(''))
    process.exitCode = missing.length === 0 ? 0 : 1
  })

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
