import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Lab } from '../../src/lab/lab.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { type Forward, haproxyConfig, nginxConfig } from './proxy-configs.ts'
import type { Peer, Topology } from './report.ts'

export const SERVER_PORT = 7000
const SAME_NODE_PORT = 8100
const TWO_NODES_PORT = 8200
const INBOUND_PORT = 8300
const SERVER_PORTS = 3

/** The pods of one peer: a namespace of its own, so that annotations apply to it alone. */
export interface PeerPods {
  readonly peer: Peer
  readonly client: LabPod
  readonly servers: Readonly<Record<Topology, LabPod>>
  /** Where the client connects to. */
  readonly target: Readonly<Record<Topology, { address: string; port: number }>>
  /** Processes that stand in Sluice's place; none for direct and for Sluice itself. */
  readonly proxies: readonly LabProcess[]
}

/** Compiles a load generator of one file; gcc is a prerequisite that set-up installs. */
export function buildProgram(file: URL): string {
  const source = file.pathname
  const folder = new URL('../../build/bench', import.meta.url).pathname
  mkdirSync(folder, { recursive: true })
  const binary = join(folder, basename(source, '.c'))
  const compiled = spawnSync('gcc', ['-O2', '-o', binary, source], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`compile ${source}: ${compiled.stderr}`)
  return binary
}

/** Two pods on node1 and one on node2, servers running, and the peer's proxies where it has any. */
export async function addPeer(lab: Lab, peer: Peer, load: string): Promise<PeerPods> {
  const namespace = `bench-${peer}`
  const [client, near, far] = await lab.addPods([
    { namespace, name: 'client', node: 'node1' },
    { namespace, name: 'near', node: 'node1' },
    { namespace, name: 'far', node: 'node2' },
  ])
  if (client === undefined || near === undefined || far === undefined)
    throw new Error('the lab made fewer pods than asked for')
  for (const server of [near, far]) {
    await server.spawn([load, 'serve', `${SERVER_PORT}`]).waitForLine(/ready/)
  }
  const servers = { 'same-node': near, 'two-nodes': far }
  if (peer !== 'haproxy' && peer !== 'nginx') {
    const to = (pod: LabPod) => ({ address: pod.addresses.v4, port: SERVER_PORT })
    const target = { 'same-node': to(near), 'two-nodes': to(far) }
    return { peer, client, servers, target, proxies: [] }
  }
  const proxies = [
    await startProxy(peer, client, [
      ...forwards('127.0.0.1', SAME_NODE_PORT, near.addresses.v4, SERVER_PORT),
      ...forwards('127.0.0.1', TWO_NODES_PORT, far.addresses.v4, INBOUND_PORT),
    ]),
    await startProxy(peer, far, forwards(far.addresses.v4, INBOUND_PORT, '127.0.0.1', SERVER_PORT)),
  ]
  const target = {
    'same-node': { address: '127.0.0.1', port: SAME_NODE_PORT },
    'two-nodes': { address: '127.0.0.1', port: TWO_NODES_PORT },
  }
  return { peer, client, servers, target, proxies }
}

export function forwards(listen: string, from: number, target: string, to: number): Forward[] {
  return Array.from({ length: SERVER_PORTS }, (_, index) => ({
    listenAddress: listen,
    listenPort: from + index,
    targetAddress: target,
    targetPort: to + index,
  }))
}

const NGINX_STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** Resolves when it listens. */
export async function startProxy(
  peer: 'haproxy' | 'nginx',
  pod: LabPod,
  rules: readonly Forward[],
): Promise<LabProcess> {
  const folder = join(pod.node.run, `bench-${peer}-${pod.name}`)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'config')
  const module = existsSync(NGINX_STREAM_MODULE) ? NGINX_STREAM_MODULE : ''
  writeFileSync(
    file,
    peer === 'haproxy' ? haproxyConfig(rules) : nginxConfig(rules, module, folder),
  )
  const argv = peer === 'haproxy' ? ['haproxy', '-db', '-f', file] : ['nginx', '-c', file]
  const started = pod.spawn(argv)
  const probe = rules[0]
  if (probe === undefined) throw new Error('a proxy without rules')
  await waitUntilListening(pod, probe.listenPort, started)
  return started
}

async function waitUntilListening(pod: LabPod, port: number, started: LabProcess): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  for (let attempt = 0; attempt < 500; attempt++) {
    if (started.exit() !== undefined) throw new Error(`proxy ended: ${started.stderr()}`)
    const pid = pod.processes()[0]
    const table = pid === undefined ? '' : readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    if (new RegExp(`:${hex} 00000000:0000 0A`).test(table)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`nothing listens on port ${port} of ${pod.name}`)
}
