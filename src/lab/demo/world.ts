import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSink, startWho } from '../apps.ts'
import type { ServiceObject } from '../kube/objects.ts'
import type { Lab } from '../lab.ts'
import type { LabPod } from '../pod.ts'
import { waitFor } from '../process/wait.ts'

export const WHO_PORT = 8080
export const WEB_PORT = 8000
export const SINK_PORT = 7000
/** On the node itself: an address that no pod and no service has. */
export const NODE_PORT = 9100
const WEB_FILE_BYTES = 8 << 20

/** The pods, services and servers of the demo. */
export interface World {
  readonly lab: Lab
  /** Namespace shop: a client and its servers on both nodes. */
  readonly shop: {
    readonly client: LabPod
    readonly servers: readonly LabPod[]
    readonly all: readonly LabPod[]
  }
  readonly who: ServiceObject
  readonly web: ServiceObject
  /** Namespace bulk: moves many bytes on one node, and asks for full acceleration. */
  readonly bulk: { readonly sender: LabPod; readonly sink: LabPod }
  /** Namespace vault: rather refused than unprotected. Both on the second node. */
  readonly vault: { readonly client: LabPod; readonly server: LabPod }
}

export async function buildWorld(lab: Lab): Promise<World> {
  const ports = [
    { name: 'who', port: WHO_PORT },
    { name: 'web', port: WEB_PORT },
  ]
  const server = { namespace: 'shop', labels: { app: 'server' }, ports }
  const [client, one, two, sender, sink, asker, keeper] = (await lab.addPods([
    { namespace: 'shop', name: 'client', node: 'node1', labels: { app: 'client' } },
    { ...server, name: 'server-1', node: 'node1' },
    { ...server, name: 'server-2', node: 'node2', qos: 'burstable' },
    { namespace: 'bulk', name: 'sender', node: 'node1' },
    { namespace: 'bulk', name: 'sink', node: 'node1', qos: 'guaranteed' },
    { namespace: 'vault', name: 'client', node: 'node2' },
    { namespace: 'vault', name: 'server', node: 'node2' },
  ])) as [LabPod, LabPod, LabPod, LabPod, LabPod, LabPod, LabPod]
  await Promise.all([
    ...[one, two, keeper].map((pod) => startWho(pod, pod.name, WHO_PORT)),
    ...[one, two].map((pod) => startNginx(pod)),
    startSink(sink, SINK_PORT),
    startWho(lab.node('node1'), 'node1', NODE_PORT),
  ])
  const selector = { app: 'server' }
  return {
    lab,
    shop: { client, servers: [one, two], all: [client, one, two] },
    who: await lab.addService({ ...serviceIn('who'), selector }),
    web: await lab.addService({ ...serviceIn('web'), selector }),
    bulk: { sender, sink },
    vault: { client: asker, server: keeper },
  }
}

function serviceIn(name: string) {
  return { namespace: 'shop', name, ports: [{ name, port: 80, targetPort: name }] }
}

/** A real web server with a file in it; `/name` says whose it is. */
async function startNginx(pod: LabPod): Promise<void> {
  const folder = join(pod.node.run, `nginx-${pod.name}`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'file'), Buffer.alloc(WEB_FILE_BYTES, pod.name))
  const config = [
    'daemon off; worker_processes 1; user root;',
    `pid ${folder}/pid; error_log ${folder}/error.log;`,
    'events { worker_connections 256; }',
    'http { access_log off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    ),
    `server { listen ${WEB_PORT}; listen [::]:${WEB_PORT}; root ${folder};`,
    `location = /name { return 200 ${pod.name}; } } }`,
  ]
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, config.join('\n'))
  const nginx = pod.spawn(['nginx', '-e', `${folder}/error.log`, '-c', file])
  await waitFor(`nginx in ${pod.name}`, async () => {
    if (nginx.exit() !== undefined) throw new Error(nginx.stderr())
    const url = `http://${pod.addresses.v4}:${WEB_PORT}/name`
    return (await pod.exec(['curl', '-s', url], { check: false })).stdout === pod.name
  })
}
