// A real gRPC server with its certificate and tokens, and stores of nodes that are its clients.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ConfigStore } from '../../../../src/nodeproxy/config/interfaces.ts'
import { grpcSource, type GrpcSourceOptions } from '../../../../src/nodeproxy/config/grpc-source.ts'
import { createStore, type StoreOptions } from '../../../../src/nodeproxy/config/store.ts'
import { systemClock } from '../../../../src/nodeproxy/config/system-clock.ts'
import type { Authenticate } from '../../../../src/operator/publish/grpc-admission.ts'
import {
  createGrpcServer,
  type GrpcServer,
  type GrpcServerOptions,
} from '../../../../src/operator/publish/grpc-server.ts'
import type { Publisher } from '../../../../src/operator/publish/publisher.ts'
import {
  type KeyedCertificate,
  makeAuthority,
  signServer,
} from '../../../../src/operator/serving/certificates.ts'

export const serverName = 'operator.test'
const day = 86_400_000

export interface Site {
  readonly authority: KeyedCertificate
  readonly folder: string
  readonly caFile: string
  certificate(): Promise<KeyedCertificate>
  serve(publisher: Publisher, more?: Partial<GrpcServerOptions>): Promise<GrpcServer>
  /** In the folder, which is one for all servers: a second one takes the first one's place. */
  readonly address: string
  openStore(
    node: string,
    more?: Partial<GrpcSourceOptions>,
    store?: Partial<StoreOptions>,
  ): { readonly store: ConfigStore; readonly problems: string[] }
}

/** Tokens are `token-of-NODE`. */
export const authenticate: Authenticate = async (token) => {
  const node = /^token-of-(?<node>.+)$/.exec(token)?.groups?.['node']
  if (node === undefined) return { error: `${token} is no token`, later: false }
  return { node, expiresAtMs: Date.now() + day }
}

export async function openSite(t: TestContext): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-grpc-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const validity = { fromMs: Date.now() - day, toMs: Date.now() + day }
  const authority = await makeAuthority('test', validity)
  const certificate = () => signServer(authority, [serverName], validity)
  const caFile = join(folder, 'ca.crt')
  writeFileSync(caFile, authority.certificate)
  const address = `unix:${join(folder, 'grpc.sock')}`
  return {
    authority,
    folder,
    caFile,
    certificate,
    address,
    async serve(publisher, more = {}) {
      const options = { publisher, authenticate, certificate: await certificate(), ...more }
      const server = createGrpcServer(options)
      rmSync(join(folder, 'grpc.sock'), { force: true })
      await server.listen(address)
      t.after(async () => server.close())
      return server
    },
    openStore(node, more = {}, storeOptions = {}) {
      const tokenFile = join(folder, `token-${node}`)
      writeFileSync(tokenFile, `token-of-${node}\n`)
      const problems: string[] = []
      const source = grpcSource({
        node,
        address,
        serverName,
        caFile,
        tokenFile,
        clock: systemClock,
        random: Math.random,
        firstRetryMs: 5,
        maxRetryMs: 50,
        ...more,
      })
      const store = createStore({
        node,
        clock: systemClock,
        source,
        // A busy machine may be slower than a connection would wait.
        limits: { waitMs: 60_000 },
        onProblem: (message) => void problems.push(message),
        ...storeOptions,
      })
      t.after(async () => store.close())
      return { store, problems }
    },
  }
}

/** Waits for a condition of any kind; the test's own limit is the deadline. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) {
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, 5)
    await promise
  }
}
