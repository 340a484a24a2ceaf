import { hostname } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof logLevels)[number]

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** How the operator was started. */
export interface OperatorOptions {
  /** Where its Secret, ConfigMap and Lease are. */
  readonly namespace: string
  /** Of this replica, unique. */
  readonly podName: string
  /** Undefined: as a pod, or as kubectl would find it. */
  readonly kubeconfig?: string
  readonly grpcAddress: string
  readonly httpAddress: HostPort
  readonly servingName: readonly string[]
  readonly audience: string
  /** `namespace/name`; undefined: `sluice-nodeproxy` in its own namespace. */
  readonly nodeServiceAccount?: string
  readonly cluster: string
  readonly network: string
  readonly clusterDomain: string
  readonly trustDomain: string
  /** Whether to remove the taint of nodes whose agent is ready. */
  readonly startUpTaint: boolean
  readonly logLevel: LogLevel
}

const httpAddress = '0.0.0.0:15014'

/** Ends the process on --help and on flags that are wrong, which it explains. */
export function parseOperatorOptions(argv: readonly string[]): OperatorOptions {
  const command = new Command('operator')
    .description("Sluice's operator: turns the cluster's objects into what each node needs")
    .addOption(
      new Option('--namespace <name>', 'where its Secret, ConfigMap and Lease are')
        .env('POD_NAMESPACE')
        .default('sluice-system'),
    )
    .addOption(
      new Option('--pod-name <name>', 'of this replica').env('POD_NAME').default(hostname()),
    )
    .option('--kubeconfig <file>', 'credentials; otherwise those of the pod')
    .option('--grpc-address <host:port>', 'where nodes reach it', '0.0.0.0:15012')
    .addOption(
      new Option('--http-address <host:port>', '/ready, /live, /metrics')
        .argParser(hostPort)
        .default(hostPort(httpAddress), httpAddress),
    )
    .option('--serving-name <name...>', 'what its certificate says', [
      'sluice-operator.sluice-system.svc',
    ])
    .option('--audience <name>', "of nodes' tokens", 'sluice.dev')
    .option('--node-service-account <namespace/name>', 'of the DaemonSet', account)
    .option('--cluster <name>', 'name of this cluster', 'Kubernetes')
    .option('--network <name>', "network of this cluster's addresses", 'default')
    .option('--cluster-domain <name>', 'suffix of service names', 'cluster.local')
    .option('--trust-domain <name>', 'unless a MeshConfig says so', 'cluster.local')
    .option('--start-up-taint', 'remove sluice.dev/agent-not-ready of nodes that are ready', false)
    .addOption(new Option('--log-level <level>').choices(logLevels).default('info'))
  return command.parse([...argv], { from: 'user' }).opts<OperatorOptions>()
}

function hostPort(text: string): HostPort {
  const found = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/u.exec(text)?.groups
  const host = found?.['v6'] ?? found?.['v4']
  if (host !== undefined) return { host, port: Number(found?.['port']) }
  throw new InvalidArgumentError('give HOST:PORT or [ADDRESS]:PORT')
}

function account(text: string): string {
  if (/^[^/]+\/[^/]+$/u.test(text)) return text
  throw new InvalidArgumentError('give NAMESPACE/NAME')
}
