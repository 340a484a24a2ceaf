// A lab that stands until somebody takes it down: what `sluice lab up` starts.
//   daemon.ts NAME NODES IPV6 MESH     (NODES a number, the others true or false)
// Prints "up" when everything is there, or what went wrong. SIGTERM takes it down.
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { startWho } from './apps.ts'
import { createLab, type Lab } from './lab.ts'
import { startMesh } from './mesh.ts'
import { controlSocket, writeStanding } from './standing.ts'

/** An order of the command line. */
interface Order {
  readonly annotate: string
  readonly annotations: Readonly<Record<string, string | null>>
}

const NAMESPACE = 'shop'
const PORT = 8080

/** A client, and a service with a server on every node. */
async function fill(lab: Lab): Promise<void> {
  const servers = lab.nodes.map(({ name: node }, index) => ({
    node,
    namespace: NAMESPACE,
    name: `server-${index + 1}`,
    labels: { app: 'server' },
    ports: [{ name: 'who', port: PORT }],
  }))
  const first = lab.nodes[0]?.name ?? ''
  const [, ...pods] = await lab.addPods([
    { node: first, namespace: NAMESPACE, name: 'client', labels: { app: 'client' } },
    ...servers,
  ])
  await Promise.all(pods.map((pod) => startWho(pod, pod.name, PORT)))
  await lab.addService({
    namespace: NAMESPACE,
    name: 'server',
    selector: { app: 'server' },
    ports: [{ name: 'who', port: 80, targetPort: 'who' }],
  })
}

function describe(lab: Lab, mesh: boolean): void {
  const list = ({ v4, v6 }: { readonly v4: string; readonly v6: string | undefined }) =>
    v6 === undefined ? [v4] : [v4, v6]
  writeStanding(lab.name, {
    nodes: lab.nodes.map(({ name, addresses, place }) => ({
      name,
      addresses: list(addresses),
      place,
    })),
    pods: lab.pods.map(({ namespace, name, node, addresses, place }) => ({
      namespace,
      name,
      node: node.name,
      addresses: list(addresses),
      place,
    })),
    services: lab.objects
      .list()
      .filter((object) => object.kind === 'Service')
      .map(({ metadata, spec }) => ({
        name: `${metadata.namespace}/${metadata.name}`,
        addresses: spec.clusterIPs,
        ports: spec.ports.map(({ port }) => port),
      })),
    mesh,
  })
}

async function obey(lab: Lab, line: string): Promise<string> {
  try {
    const { annotate, annotations } = JSON.parse(line) as Order
    const changes = Object.entries(annotations).map(
      ([key, value]) => [key, value ?? undefined] as const,
    )
    await lab.annotateNamespace(annotate, Object.fromEntries(changes))
    return 'done'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function serve(lab: Lab, socket: Socket): void {
  socket.on('error', () => socket.destroy())
  createInterface(socket).on('line', (line) => {
    void obey(lab, line).then((answer) => socket.end(`${answer}\n`))
  })
}

async function stand(name: string, nodes: number, ipv6: boolean, mesh: boolean): Promise<void> {
  const names = Array.from({ length: nodes }, (_, index) => `node${index + 1}`)
  const lab = await createLab({ name, nodes: names, ipv6 })
  const stop = async () => {
    await lab.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => void stop())
  try {
    await fill(lab)
    if (mesh) await startMesh(lab)
    createServer({ allowHalfOpen: true }, (socket) => serve(lab, socket)).listen(
      controlSocket(name),
    )
    describe(lab, mesh)
  } catch (error) {
    await lab.close()
    throw error
  }
}

const [labName = '', nodeCount = '2', withIpv6 = 'true', withMesh = 'false'] = process.argv.slice(2)
try {
  await stand(labName, Number(nodeCount), withIpv6 === 'true', withMesh === 'true')
  process.stdout.write('up\n')
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
