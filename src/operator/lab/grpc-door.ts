import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createGrpcServer, type GrpcServer } from '../publish/grpc-server.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { StreamObserver } from '../publish/request-stream.ts'
import type { ReportBook } from '../report/report-book.ts'
import { type KeyedCertificate, makeAuthority, signServer } from '../serving/certificates.ts'

/** Where nodes of a lab find the operator's gRPC, and what they show it. */
export interface GrpcDoor {
  readonly address: string
  readonly serverName: string
  readonly caFile: string
}

const serverName = 'operator.lab'
const validMs = 30 * 86_400_000

export function grpcDoor(folder: string): GrpcDoor {
  return {
    address: `unix:${join(folder, 'grpc.sock')}`,
    serverName,
    caFile: join(folder, 'ca.crt'),
  }
}

/** A lab has no API server that could vouch for its nodes: the token says who it is. */
export function labToken(node: string): string {
  return `lab-node.${node}`
}

/** Serves what a publisher holds in that folder; its authority outlives the process there. */
export async function openGrpcDoor(
  folder: string,
  publisher: Publisher,
  reports: ReportBook,
  observer?: StreamObserver,
): Promise<GrpcServer> {
  mkdirSync(folder, { recursive: true })
  const now = Date.now()
  const validity = { fromMs: now - 60_000, toMs: now + validMs }
  const certificate = await signServer(await authorityIn(folder, validity), [serverName], validity)
  const server = createGrpcServer({
    publisher,
    reports,
    certificate,
    ...(observer === undefined ? {} : { observer }),
    authenticate: async (token) => {
      const node = /^lab-node\.(?<node>.+)$/u.exec(token)?.groups?.['node']
      if (node === undefined) return { error: 'the token is no lab-node.NAME', later: false }
      return { node, expiresAtMs: now + validMs }
    },
  })
  // A process that was killed leaves it.
  rmSync(join(folder, 'grpc.sock'), { force: true })
  await server.listen(grpcDoor(folder).address)
  return server
}

type Validity = Parameters<typeof makeAuthority>[1]

async function authorityIn(folder: string, validity: Validity): Promise<KeyedCertificate> {
  const { caFile } = grpcDoor(folder)
  const keyFile = join(folder, 'ca.key')
  if (existsSync(keyFile) && existsSync(caFile)) {
    return {
      certificate: readFileSync(caFile, 'utf8'),
      privateKey: readFileSync(keyFile, 'utf8'),
    }
  }
  const authority = await makeAuthority('lab', validity)
  writeFileSync(keyFile, authority.privateKey, { mode: 0o600 })
  writeFileSync(caFile, authority.certificate)
  return authority
}
