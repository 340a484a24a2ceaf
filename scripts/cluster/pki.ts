import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { routerAddresses } from '../../src/lab/net/addresses.ts'
import { runCommand } from '../../src/lab/process/command.ts'
import { nodeNames } from './names.ts'

/** Of the API server, the first of the services' network. */
const KUBERNETES_SERVICE = ['10.96.0.1', 'fd00:10:96::1']
const DAYS = '3650'

/** Users of the API server and their groups, as the API server's own authorizers expect them. */
const users: readonly { readonly user: string; readonly groups: readonly string[] }[] = [
  { user: 'cluster-admin', groups: ['system:masters'] },
  { user: 'system:kube-controller-manager', groups: [] },
  { user: 'system:kube-scheduler', groups: [] },
  { user: 'system:kube-proxy', groups: [] },
  ...nodeNames.map((node) => ({ user: `system:node:${node}`, groups: ['system:nodes'] })),
]

/** Makes a new cluster's authority, certificates, keys and tokens in `folder`. */
export async function makePki(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o700)
  const { v4, v6 } = routerAddresses(true)
  const names = ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc']
  const addresses = ['127.0.0.1', v4, v6 ?? '::1', ...KUBERNETES_SERVICE]
  const subjects = [
    ...[...names, 'kubernetes.default.svc.cluster.local'].map((name) => `DNS:${name}`),
    ...addresses.map((address) => `IP:${address}`),
  ]
  const config = [
    '[req]\ndistinguished_name = name\n[name]',
    '[ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign',
    `[server]\nextendedKeyUsage = serverAuth\nsubjectAltName = ${subjects.join(', ')}`,
    '[client]\nextendedKeyUsage = clientAuth',
  ]
  writeFileSync(join(folder, 'openssl.cnf'), `${config.join('\n')}\n`)
  await certify(folder, 'ca', '/CN=sluice-cluster', 'ca')
  await certify(folder, 'server', '/CN=kube-apiserver')
  await certify(
    folder,
    'client',
    '/O=system:masters/CN=kube-apiserver',
    undefined,
    'kubelet-client',
  )
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  writeFileSync(join(folder, 'service-accounts.key'), privateKey, { mode: 0o600 })
  writeFileSync(join(folder, 'service-accounts.pub'), publicKey)
  const lines = users.map(({ user, groups }, index) => {
    const token = randomBytes(24).toString('hex')
    return `${token},${user},${index},"${groups.join(',')}"`
  })
  writeFileSync(join(folder, 'tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 })
}

/** @param signed undefined: by our own authority */
async function certify(
  folder: string,
  extensions: string,
  subject: string,
  signed?: 'ca',
  name = extensions,
): Promise<void> {
  const file = (ending: string) => join(folder, `${name}.${ending}`)
  const authority =
    signed === undefined ? ['-CA', join(folder, 'ca.crt'), '-CAkey', join(folder, 'ca.key')] : []
  const request = ['-subj', subject, '-extensions', extensions, ...authority]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc']
  const config = ['-config', join(folder, 'openssl.cnf'), '-days', DAYS]
  const files = ['-keyout', file('key'), '-out', file('crt')]
  await runCommand(['openssl', 'req', '-x509', ...config, ...key, ...request, ...files])
}

/** What a client needs to be a user of the API server at an address. */
export function kubeconfigFor(folder: string, user: string, server: string): string {
  const line = readFileSync(join(folder, 'tokens.csv'), 'utf8')
    .split('\n')
    .find((one) => one.split(',')[1] === user)
  if (line === undefined) throw new Error(`the cluster has no user ${user}`)
  const authority = readFileSync(join(folder, 'ca.crt')).toString('base64')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'sluice', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: user, user: { token: line.split(',')[0] } }],
    contexts: [{ name: 'sluice', context: { cluster: 'sluice', user } }],
    'current-context': 'sluice',
  }
  return `${JSON.stringify(config, undefined, 2)}\n`
}
