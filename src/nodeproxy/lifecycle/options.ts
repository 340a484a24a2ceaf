import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { type Flag, type Flags, parseFlags, UsageError } from './flags.ts'

/**
 * How this node's proxy was started. Every path and address is given: two nodes may run on one
 * kernel.
 */
export interface NodeProxyOptions {
  readonly node: string
  /** Network of this node's addresses: an IP is only unique within one. */
  readonly network: string
  /** cgroup2 directory of all pods. */
  readonly kubepods: string
  /** cgroup2 directory of the kubelet; undefined: its probes go through the inbound listener. */
  readonly kubeletCgroup: string | undefined
  readonly proc: string
  /** The node's network namespace; undefined: this process is in it. */
  readonly nodeNetns: string | undefined
  readonly bpffs: string
  readonly state: string
  /** Either this or `operator`. */
  readonly configSocket: string | undefined
  /** `HOST:PORT` or `unix:PATH` of the operator's gRPC. */
  readonly operator: string | undefined
  readonly operatorName: string
  readonly operatorCa: string
  readonly operatorToken: string
  readonly keeperSocket: string
  /**
   * The node's first process in proc, for a proxy in a container: the keeper moves there.
   * Undefined: it stays with us.
   */
  readonly keeperHome: string | undefined
  /** Without a proxy for so long, the keeper takes all of Sluice off the node; undefined: never. */
  readonly removeAfterSeconds: number | undefined
  readonly metricsAddress: HostPort
  readonly adminAddress: HostPort
  /**
   * Where a successor in another network namespace finds this proxy; undefined: by the admin
   * address.
   */
  readonly takeoverSocket: string | undefined
  readonly workers: number
  readonly logLevel: LogLevel
  readonly accessLog: number
  readonly drainSeconds: number
  /** Of the last heartbeat, after which the hooks take the proxy for dead. */
  readonly beatMaxAgeMs: number
  /** Without a heartbeat for so long the keeper resets what waits for a proxy. */
  readonly giveUpAfterMs: number
  readonly maxConnections: number
  readonly podConnections: number
  readonly podBufferBytes: number
  readonly uninstall: boolean
  readonly withdraw: boolean
}

/** As it was said: what this node's cgroups are called is found out where nobody said it. */
export interface GivenOptions extends Omit<NodeProxyOptions, 'kubepods'> {
  readonly kubepods: string | undefined
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

/** @throws UsageError that names the flag and what it wants; that has been printed already */
export function parseOptions(argv: readonly string[]): GivenOptions {
  const program = { name: 'nodeproxy', about: "One node's proxy of the Sluice mesh" }
  const { values, switches } = parseFlags(
    argv,
    program,
    flags(),
    {
      uninstall: 'remove every trace of the mesh from this node, and end',
      withdraw: 'have the proxy that runs take every pod of this node out of the mesh, and end',
    },
    ({ configSocket, operator }) => {
      if ((configSocket === undefined) !== (operator === undefined)) return
      throw new UsageError('give either --operator or --config-socket: one of them is the source')
    },
  )
  return {
    ...values,
    uninstall: switches.has('uninstall'),
    withdraw: switches.has('withdraw'),
  }
}

function flags() {
  const workers = Math.min(2, availableParallelism())
  return {
    node: flag('<name>', 'name of this node, as Kubernetes has it', nodeName),
    network: flag('<name>', "network of this node's addresses", (text) => text, 'default'),
    kubepods: optional(
      path("cgroup2 directory of all pods; unless given, it and the kubelet's are looked for"),
    ),
    kubeletCgroup: optional(
      path("the kubelet's cgroup2 directory: its probes reach pods directly"),
    ),
    proc: path("the host's proc", '/proc'),
    nodeNetns: optional(
      path("the node's network namespace, unless this process is in it: /proc/1/ns/net"),
    ),
    bpffs: path('a mounted bpffs', '/sys/fs/bpf'),
    state: path('directory for state that outlives a restart'),
    configSocket: optional(path("Unix socket of the lab's configuration")),
    operator: optional(flag('<host:port>', "the operator's gRPC; or unix:<path>", target)),
    operatorName: flag(
      '<name>',
      "what the operator's certificate must say",
      (text) => text,
      'sluice-operator.sluice-system.svc',
    ),
    operatorCa: path('who signed it, PEM', '/var/run/sluice/ca/ca.crt'),
    operatorToken: path("the pod's token for the operator", '/var/run/sluice/token/token'),
    keeperSocket: path("the keeper's Unix socket"),
    keeperHome: optional(
      path("the node's first process, /proc/1: the keeper leaves our container for its namespaces"),
    ),
    removeAfterSeconds: optional(
      count('without a proxy for so long, the keeper takes all of us off the node', 86_400),
    ),
    metricsAddress: address('metrics, /ready and /live', hostPort, '0.0.0.0:15020'),
    adminAddress: address('admin, on loopback', loopback, '127.0.0.1:15000'),
    takeoverSocket: optional(
      path('Unix socket for a successor that does not share our loopback, as another pod'),
    ),
    workers: count('data path threads', 64, workers),
    logLevel: flag<LogLevel>('<level>', 'least severe messages', level, 'info'),
    accessLog: flag('<part>', 'part of orderly connections with an access line', part, 1),
    drainSeconds: count('time for connections to end when stopping', 86_400, 30),
    beatMaxAgeMs: count('age of its last beat at which a proxy counts as dead', 3_600_000, 500),
    giveUpAfterMs: count('without a beat for so long, what waits is reset', 3_600_000, 2_000),
    maxConnections: count('connections at once, a worker', 1_000_000, 65_536),
    podConnections: count('connections at once of one pod, a worker', 1_000_000, 32_768),
    podBufferBytes: count('buffered bytes of one pod, a worker', 2 ** 31 - 1, 64 << 20),
  } satisfies Flags
}

function flag<T>(
  value: string,
  what: string,
  parse: Flag<T>['parse'],
  preset: T | 'required' = 'required',
): Flag<T> {
  return { value, what, preset, parse }
}

function optional<T>(given: Flag<T>): Flag<T | undefined> {
  return { ...given, preset: undefined }
}

function path(what: string, preset = 'required'): Flag<string> {
  return flag('<path>', what, absolute, preset)
}

function count(what: string, most: number, preset: number | 'required' = 'required'): Flag<number> {
  return flag('<number>', what, (text, name) => wholeNumber(name, text, most), preset)
}

function address(what: string, parse: Flag<HostPort>['parse'], preset: string): Flag<HostPort> {
  return flag('<ip:port>', what, parse, parse(preset, ''))
}

function nodeName(text: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/u.test(text)) return text
  throw new UsageError(`'${text}' is no node name; see kubectl get nodes`)
}

function target(text: string, name: string): string {
  if (/^(?:unix:\/.+|[^\s/]+:\d{1,5})$/u.test(text)) return text
  throw new UsageError(`${name} wants HOST:PORT or unix:/path, not '${text}'`)
}

function absolute(text: string, name: string): string {
  if (text.startsWith('/')) return text
  throw new UsageError(`${name} wants an absolute path, not '${text}'`)
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${name} wants a whole number from 1 to ${most}, not '${text}'`)
}

function part(text: string, name: string): number {
  const value = { on: 1, off: 0 }[text] ?? Number(text)
  if (text !== '' && value >= 0 && value <= 1) return value
  throw new UsageError(`${name} wants on, off or a number from 0 to 1, not '${text}'`)
}

function level(text: string, name: string): LogLevel {
  const known = logLevels.find((one) => one === text)
  if (known !== undefined) return known
  throw new UsageError(`${name} wants one of ${logLevels.join(', ')}, not '${text}'`)
}

function loopback(text: string, name: string): HostPort {
  const found = hostPort(text, name)
  if (found.host === '::1' || found.host.startsWith('127.')) return found
  throw new UsageError(
    `${name} must be on loopback, for it has no authentication: use 127.0.0.1:${found.port}`,
  )
}

function hostPort(text: string, name: string): HostPort {
  const found = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/u.exec(text)?.groups
  const host = found?.v6 ?? found?.v4 ?? ''
  const port = Number(found?.port)
  if (isIP(host) !== 0 && port >= 1 && port <= 65_535) return { host, port }
  throw new UsageError(`${name} wants ADDRESS:PORT or [ADDRESS]:PORT, not '${text}'`)
}
