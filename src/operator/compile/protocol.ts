/** Names that people write, and the protocol they mean. */
const protocols: Readonly<Record<string, string>> = {
  tcp: 'tcp',
  http: 'http',
  'kubernetes.io/ws': 'http',
  http2: 'http2',
  h2c: 'http2',
  'kubernetes.io/h2c': 'http2',
  grpc: 'grpc',
  'grpc-web': 'http',
  https: 'tls',
  'kubernetes.io/wss': 'tls',
  tls: 'tls',
  mongo: 'mongo',
  mysql: 'mysql',
  postgres: 'postgres',
  redis: 'redis',
}

/**
 * What a service port speaks: its appProtocol, else the prefix of its name (`http-web`, `grpc`), as
 * Istio selects protocols. `https` is opaque to us, so it is 'tls'. Empty when neither says: to be
 * found out.
 */
export function protocolOf(appProtocol: string, portName: string): string {
  if (appProtocol !== '') return protocols[appProtocol.toLowerCase()] ?? 'tcp'
  // The longest prefix first: `grpc-web-x` is not grpc.
  const parts = portName.toLowerCase().split('-')
  for (const length of [2, 1]) {
    const found = protocols[parts.slice(0, length).join('-')]
    if (found !== undefined) return found
  }
  return ''
}
