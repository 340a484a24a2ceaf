import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Command, InvalidArgumentError } from 'commander'
import { cleanLab } from '../lab/clean.ts'
import { labsOnMachine } from '../lab/names.ts'
import { ownerOf } from '../lab/owner.ts'
import { type EnterOptions, enterArgv } from '../lab/process/enter.ts'
import { waitFor } from '../lab/process/wait.ts'
import { controlSocket, findPlace, readStanding, type Standing } from '../lab/standing.ts'

interface UpOptions {
  readonly name: string
  readonly nodes: number
  readonly ipv6: boolean
  readonly mesh: boolean
}

const DEFAULT_NAME = 'lab'
const MOST_NODES = 50
const DOWN_TIMEOUT_MS = 10_000

/** `sluice lab`: a cluster on this machine, out of network namespaces and cgroups. */
export function registerLab(program: Command): void {
  const lab = program
    .command('lab')
    .description('a cluster on this machine, to try things on: nodes, pods, services')
  lab
    .command('up')
    .description(
      'make one, with a client and a service in namespace shop; it stays until taken down',
    )
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .option('--nodes <count>', 'number of nodes', parseNodes, 2)
    .option('--no-ipv6', 'IPv4 alone')
    .option('--mesh', 'run the node proxy on every node', false)
    .action(up)
  lab
    .command('down')
    .description('take one down, or clean up after one whose owner is dead')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .option('--all', 'every lab on this machine', false)
    .action(down)
  lab
    .command('exec')
    .description('run a command in a pod (namespace/name) or on a node')
    .argument('<place>', 'pod or node')
    .argument('<command...>', 'after --')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .option('--container', 'with the namespaces, mounts and capabilities of a container', false)
    .action(exec)
  lab
    .command('annotate')
    .description('annotate a namespace: KEY=VALUE, or KEY- to take it away')
    .argument('<namespace>')
    .argument('<annotations...>')
    .option('--name <name>', 'name of the lab', DEFAULT_NAME)
    .action(annotate)
}

async function up(options: UpOptions): Promise<void> {
  const { name, nodes, ipv6, mesh } = options
  const daemon = join(import.meta.dirname, '../lab/daemon.ts')
  const child = spawn(process.execPath, [daemon, name, `${nodes}`, `${ipv6}`, `${mesh}`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let said = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += String(chunk)
    // It says nothing more once it is up, and nobody listens any more.
    if (said === 'up\n') break
  }
  if (said !== 'up\n') throw new Error(said.trim())
  child.unref()
  process.stdout.write(table(name, readStanding(name)))
}

async function down({
  name,
  all,
}: {
  readonly name: string
  readonly all: boolean
}): Promise<void> {
  const found = labsOnMachine()
  const labs = all ? found : [name]
  if (labs.some((one) => !found.includes(one))) throw new Error(`there is no lab ${name}`)
  for (const one of labs) {
    const owner = ownerOf(one)
    if (owner !== undefined) {
      process.kill(owner, 'SIGTERM')
      await waitFor(
        `process ${owner} to take lab ${one} down`,
        () => ownerOf(one) === undefined,
        DOWN_TIMEOUT_MS,
      )
    }
    await cleanLab(one)
    process.stdout.write(`lab ${one} is down\n`)
  }
}

async function exec(
  place: string,
  command: readonly string[],
  { name, container }: { readonly name: string } & Pick<EnterOptions, 'container'>,
): Promise<void> {
  const options: EnterOptions = container === undefined ? {} : { container }
  const [program = '', ...args] = enterArgv(findPlace(readStanding(name), place), command, options)
  const child = spawn(program, args, { stdio: 'inherit' })
  // Those of the terminal reach the command by themselves, and what it makes of them is what
  // counts.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => {})
  const [status, signal] = (await once(child, 'exit')) as [number | null, string | null]
  process.exitCode = signal === null ? (status ?? 1) : 1
}

async function annotate(
  namespace: string,
  pairs: readonly string[],
  { name }: { readonly name: string },
): Promise<void> {
  readStanding(name)
  const annotations = Object.fromEntries(pairs.map(parseAnnotation))
  const socket = connect(controlSocket(name))
  socket.end(`${JSON.stringify({ annotate: namespace, annotations })}\n`)
  const answer = (await text(socket)).trim()
  if (answer !== 'done') throw new Error(answer)
  process.stdout.write(`namespace ${namespace} annotated\n`)
}

function parseAnnotation(pair: string): [string, string | null] {
  const equals = pair.indexOf('=')
  if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)]
  if (pair.endsWith('-')) return [pair.slice(0, -1), null]
  throw new Error(`'${pair}' is no annotation: write KEY=VALUE, or KEY- to take it away`)
}

function parseNodes(value: string): number {
  const nodes = Number(value)
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= MOST_NODES) return nodes
  throw new InvalidArgumentError(`It must be a number from 1 to ${MOST_NODES}.`)
}

function table(name: string, { nodes, pods, services, mesh }: Standing): string {
  const rows = [
    ...nodes.map((node) => ['node', node.name, '', node.addresses.join(' ')]),
    ...pods.map((pod) => [
      'pod',
      `${pod.namespace}/${pod.name}`,
      pod.node,
      pod.addresses.join(' '),
    ]),
    ...services.map((service) => [
      'service',
      service.name,
      `port ${service.ports.join(', ')}`,
      service.addresses.join(' '),
    ]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const client = join(import.meta.dirname, '../lab/apps/ask.py')
  const target = `${services[0]?.addresses[0]} ${services[0]?.ports[0]}`
  const hints = [
    `sluice lab exec --name ${name} shop/client -- python3 ${client} ${target} --count 5`,
    ...(mesh ? [`sluice lab annotate --name ${name} shop sluice.dev/enroll=true`] : []),
    `sluice lab down --name ${name}`,
  ]
  return [`lab ${name} is up`, ...lines, '', ...hints, ''].join('\n')
}
