import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServedPodStatus } from '../nodeproxy/admin/admin.ts'
import { labToken } from '../operator/lab/grpc-door.ts'
import type { ConfigServer } from './config-server.ts'
import type { Lab } from './lab.ts'
import { type Metrics, parseMetrics } from './metrics.ts'
import { httpFrom, type HttpReply } from './node-http.ts'
import type { LabNode } from './node.ts'
import type { LabPod } from './pod.ts'
import type { Exit, LabProcess } from './process/process.ts'
import { waitFor } from './process/wait.ts'

export interface NodeProxyOptions {
  readonly workers?: number
  /** The part of orderly connections with an access line, 0 to 1. */
  readonly accessLog?: number
  readonly logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  readonly drainSeconds?: number
  /** How it is fed; `socket` unless told. */
  readonly transport?: 'socket' | 'grpc'
  /** Further arguments, as they are. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string }

/** The real node proxy, as its DaemonSet would run it on a node of the lab. */
export interface LabNodeProxy {
  readonly node: LabNode
  /** Of the DaemonSet: it shares the node's network. */
  readonly pod: LabPod
  /** The one that runs, or ran last. */
  readonly process: LabProcess
  keeperPid(): number | undefined
  /** The proxy's and its keeper's process ids. */
  pids(): number[]
  /** JSON lines of all processes so far. */
  logs(): LogLine[]
  /** Resolves when /ready says so. @throws Error with the log's end when the process ends before */
  waitReady(): Promise<void>
  metrics(): Promise<Metrics>
  /** What the kernel's programs counted. */
  counters(): Promise<Readonly<Record<string, number>>>
  podStatus(): Promise<readonly ServedPodStatus[]>
  /** GET, or another method, of the admin port. */
  admin(path: string, method?: string): Promise<HttpReply>
  /** SIGKILL unless told, to the proxy alone; waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
  /** Starts another process, beside one that runs or in place of one that ended. */
  start(options?: NodeProxyOptions): LabProcess
}

const METRICS_PORT = 15020
const ADMIN = 'http://127.0.0.1:15000'
const READY_TIMEOUT_MS = 120_000
const main = join(import.meta.dirname, '../nodeproxy/main.ts')

/** Where the configuration is served, in both ways. */
export type ConfigPlace = Pick<ConfigServer, 'socket' | 'grpc'>

/** Starts it and returns at once. The caller serves configuration. */
export async function startNodeProxy(
  lab: Lab,
  node: LabNode,
  config: ConfigPlace,
  options: NodeProxyOptions = {},
): Promise<LabNodeProxy> {
  const name = `nodeproxy-${node.name}`
  const labels = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'nodeproxy' }
  const pod = await lab.addPod({
    node: node.name,
    namespace: 'sluice-system',
    name,
    labels,
    serviceAccount: 'nodeproxy',
    hostNetwork: true,
  })
  mkdirSync(join(node.run, 'state'), { recursive: true })
  const started: LabProcess[] = []
  const start: LabNodeProxy['start'] = (changed = {}) => {
    const argv = argvOf(lab, node, config, { ...options, ...changed })
    const process = pod.spawn(argv, { env: { ...options.env, ...changed.env } })
    started.push(process)
    return process
  }
  start()
  const current = () => started.at(-1) as LabProcess
  const admin: LabNodeProxy['admin'] = (path, method) => httpFrom(node, ADMIN + path, method)
  const adminJson = async <T>(path: string) => {
    const { status, body } = await admin(`${path}?format=json`)
    if (status !== 200)
      throw new Error(`${node.name}: GET ${path} of the admin port: ${status} ${body}`)
    return JSON.parse(body) as T
  }
  const scrape = (path: string) =>
    httpFrom(node, `http://${node.addresses.v4}:${METRICS_PORT}${path}`)
  return {
    node,
    pod,
    get process() {
      return current()
    },
    keeperPid: () => pod.processes().find((pid) => commandOf(pid) === 'sluice-keeper'),
    // Not the pod's pause process, which is the lab's and not Sluice's.
    pids: () => pod.processes().filter((pid) => commandOf(pid) !== 'sluice-enter'),
    logs: () => started.flatMap((one) => one.lines().map(parseLog)),
    waitReady: () => waitReady(node, current(), () => scrape('/ready')),
    metrics: async () => parseMetrics((await scrape('/metrics')).body),
    counters: () => adminJson('/counters'),
    podStatus: () => adminJson('/pods'),
    admin,
    kill: (signal = 'SIGKILL') => {
      const process = current()
      process.kill(signal)
      return process.exited
    },
    start,
  }
}

function argvOf(lab: Lab, node: LabNode, config: ConfigPlace, options: NodeProxyOptions): string[] {
  const { workers, accessLog, logLevel, drainSeconds, args = [] } = options
  const flags: Readonly<Record<string, string | number | undefined>> = {
    node: node.name,
    kubepods: node.kubepods(lab.cgroupStyle),
    'kubelet-cgroup': node.kubeletCgroup,
    bpffs: node.bpffs,
    state: join(node.run, 'state'),
    ...configFlags(node, config, options.transport),
    'keeper-socket': join(node.run, 'keeper.sock'),
    'metrics-address': `${node.addresses.v4}:${METRICS_PORT}`,
    workers,
    'access-log': accessLog,
    'log-level': logLevel,
    'drain-seconds': drainSeconds,
  }
  const given = Object.entries(flags).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}`, `${value}`],
  )
  return [process.execPath, main, ...given, ...args]
}

function configFlags(
  node: LabNode,
  { socket, grpc }: ConfigPlace,
  transport: NodeProxyOptions['transport'] = 'socket',
): Readonly<Record<string, string>> {
  if (transport === 'socket') return { 'config-socket': socket }
  const token = join(node.run, 'token')
  writeFileSync(token, labToken(node.name))
  return {
    operator: grpc.address,
    'operator-name': grpc.serverName,
    'operator-ca': grpc.caFile,
    'operator-token': token,
  }
}

/** Its log line comes first: asking by HTTP costs a process each time. */
async function waitReady(
  node: LabNode,
  process: LabProcess,
  ask: () => Promise<HttpReply>,
): Promise<void> {
  await process.waitForLine(/"msg":"serving"/, READY_TIMEOUT_MS)
  await waitFor(
    `the proxy of ${node.name} to be ready`,
    async () => {
      const { status, body } = await ask()
      if (status === 200) return true
      throw new Error(body)
    },
    READY_TIMEOUT_MS,
  )
}

/** Whatever is not JSON is kept as a message. */
function parseLog(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return { msg: line }
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
