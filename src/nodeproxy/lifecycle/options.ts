import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'

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
  readonly bpffs: string
  readonly state: string
  readonly configSocket: string
  readonly keeperSocket: string
  readonly metricsAddress: HostPort
  readonly adminAddress: HostPort
  readonly workers: number
  readonly logLevel: LogLevel
  readonly accessLog: number
  readonly drainSeconds: number
  readonly maxConnections: number
  readonly podConnections: number
  readonly podBufferBytes: number
  readonly uninstall: boolean
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

/** @throws CommanderError that names the flag and what it wants */
export function parseOptions(argv: readonly string[]): NodeProxyOptions {
  const command = buildCommand()
  command.parse([...argv], { from: 'user' })
  return command.opts<NodeProxyOptions>()
}

function buildCommand(): Command {
  const path = (name: string, what: string): Option =>
    new Option(`--${name} <path>`, what).argParser((text) => absolute(`--${name}`, text))
  const count = (name: string, what: string, most: number, preset: number): Option =>
    new Option(`--${name} <number>`, what)
      .argParser((text) => wholeNumber(`--${name}`, text, most))
      .default(preset)
  return new Command('nodeproxy')
    .description("One node's proxy of the Sluice mesh")
    .exitOverride()
    .requiredOption('--node <name>', 'name of this node, as Kubernetes has it', nodeName)
    .option('--network <name>', "network of this node's addresses", 'default')
    .addOption(path('kubepods', 'cgroup2 directory of all pods').makeOptionMandatory())
    .addOption(
      path('kubelet-cgroup', "the kubelet's cgroup2 directory: its probes reach pods directly"),
    )
    .addOption(path('proc', "the host's proc").default('/proc'))
    .addOption(path('bpffs', 'a mounted bpffs').default('/sys/fs/bpf'))
    .addOption(path('state', 'directory for state that outlives a restart').makeOptionMandatory())
    .addOption(path('config-socket', 'Unix socket of the configuration').makeOptionMandatory())
    .addOption(path('keeper-socket', "the keeper's Unix socket").makeOptionMandatory())
    .option(
      '--metrics-address <ip:port>',
      'metrics, /ready and /live',
      anyAddress,
      anyAddress('0.0.0.0:15020'),
    )
    .option(
      '--admin-address <ip:port>',
      'admin, on loopback',
      adminAddress,
      adminAddress('127.0.0.1:15000'),
    )
    .addOption(count('workers', 'data path threads', 64, Math.min(2, availableParallelism())))
    .addOption(
      new Option('--log-level <level>', 'least severe messages').choices(logLevels).default('info'),
    )
    .option(
      '--access-log <part>',
      'part of orderly connections with an access line, 0 to 1',
      part,
      1,
    )
    .addOption(count('drain-seconds', 'time for connections to end when stopping', 86_400, 30))
    .addOption(count('max-connections', 'connections at once, a worker', 1_000_000, 65_536))
    .addOption(
      count('pod-connections', 'connections at once of one pod, a worker', 1_000_000, 32_768),
    )
    .addOption(
      count('pod-buffer-bytes', 'buffered bytes of one pod, a worker', 2 ** 31 - 1, 64 << 20),
    )
    .option('--uninstall', 'remove every trace of the mesh from this node, and end', false)
}

function nodeName(text: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/u.test(text)) return text
  throw new InvalidArgumentError(`'${text}' is no node name; see kubectl get nodes`)
}

function absolute(flag: string, text: string): string {
  if (text.startsWith('/')) return text
  throw new InvalidArgumentError(`${flag} wants an absolute path, not '${text}'`)
}

function wholeNumber(flag: string, text: string, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new InvalidArgumentError(`${flag} wants a whole number from 1 to ${most}, not '${text}'`)
}

function part(text: string): number {
  const value = { on: 1, off: 0 }[text] ?? Number(text)
  if (text !== '' && value >= 0 && value <= 1) return value
  throw new InvalidArgumentError(
    `--access-log wants on, off or a number from 0 to 1, not '${text}'`,
  )
}

function anyAddress(text: string): HostPort {
  return hostPort('--metrics-address', text)
}

function adminAddress(text: string): HostPort {
  const address = hostPort('--admin-address', text)
  if (address.host === '::1' || address.host.startsWith('127.')) return address
  throw new InvalidArgumentError(
    '--admin-address must be on loopback, for it has no authentication: ' +
      `use 127.0.0.1:${address.port}`,
  )
}

function hostPort(flag: string, text: string): HostPort {
  const found = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/u.exec(text)?.groups
  const host = found?.v6 ?? found?.v4 ?? ''
  const port = Number(found?.port)
  if (isIP(host) !== 0 && port >= 1 && port <= 65_535) return { host, port }
  throw new InvalidArgumentError(`${flag} wants ADDRESS:PORT or [ADDRESS]:PORT, not '${text}'`)
}
