// A real API server with its etcd and nothing else: no controllers, no nodes. Up in seconds.
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { waitFor } from '../../../src/lab/process/wait.ts'
import { type KubeApi, openKubeApi } from '../../../src/operator/kube/api.ts'

export interface ApiServer extends AsyncDisposable {
  /** With all rights. */
  readonly api: KubeApi
  /** As the user with that token. */
  apiWith(token: string): KubeApi
  readonly folder: string
  /** SIGSTOP and SIGCONT: it is there and does not answer. */
  pause(): void
  resume(): void
}

const adminToken = 'admin-of-a-test'
const readyTimeoutMs = 120_000

/** @param bin folder of kube-apiserver and etcd */
export async function startApiServer(bin: string): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-api-'))
  const [client, peer, port] = await freePorts(3)
  const stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const run = (name: string, flags: readonly string[]) => {
    const child = startChild(join(bin, name), flags)
    stack.defer(async () => child.stop())
    return child
  }
  try {
    run('etcd', etcdFlags(folder, client, peer))
    const server = run('kube-apiserver', apiServerFlags(folder, client, port))
    const apiWith = (token: string) => openKubeApi(configFor(port, token))
    const api = apiWith(adminToken)
    await waitFor(
      'the API server to be ready',
      async () => {
        if (server.ended() !== undefined) throw new Error(`it ended: ${server.ended()}`)
        await api.call({ path: '/api/v1/namespaces/kube-system' })
        return true
      },
      readyTimeoutMs,
    )
    return {
      api,
      apiWith,
      folder,
      pause: () => server.signal('SIGSTOP'),
      resume: () => server.signal('SIGCONT'),
      [Symbol.asyncDispose]: async () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function etcdFlags(folder: string, client: number, peer: number): readonly string[] {
  const [own, others] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`]
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${own}`,
    `--advertise-client-urls=${own}`,
    `--listen-peer-urls=${others}`,
    `--initial-advertise-peer-urls=${others}`,
    `--initial-cluster=default=${others}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ]
}

function apiServerFlags(folder: string, etcd: number, port: number): readonly string[] {
  const key = join(folder, 'accounts.key')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(folder, 'tokens.csv'), `${adminToken},admin,admin,system:masters\n`)
  mkdirSync(join(folder, 'certificates'))
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    `--cert-dir=${join(folder, 'certificates')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${key}`,
    `--service-account-signing-key-file=${key}`,
    // No controller makes accounts and endpoints here.
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
  ]
}

interface Child {
  signal(name: NodeJS.Signals): void
  ended(): string | undefined
  stop(): Promise<void>
}

/** Ends with this process, however that ends. */
function startChild(program: string, flags: readonly string[]): Child {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  let ended: string | undefined
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  child.on('error', (error) => {
    ended = error.message
    resolve()
  })
  child.on('exit', (code, signal) => {
    ended = `${code ?? signal}: ${said}`
    resolve()
  })
  return {
    signal: (name) => void child.kill(name),
    ended: () => ended,
    async stop() {
      child.kill('SIGKILL')
      await promise
    },
  }
}

async function freePorts(count: number): Promise<readonly [number, number, number]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const { promise, resolve } = Promise.withResolvers<ReturnType<typeof createServer>>()
      const server = createServer()
      server.listen(0, '127.0.0.1', () => resolve(server))
      return promise
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  for (const server of servers) server.close()
  const [a = 0, b = 0, c = 0] = ports
  return [a, b, c]
}

function configFor(port: number, token: string): KubeConfig {
  const config = new KubeConfig()
  const server = `https://127.0.0.1:${port}`
  config.loadFromClusterAndUser(
    { name: 'test', server, skipTLSVerify: true },
    { name: 'user', token },
  )
  return config
}
