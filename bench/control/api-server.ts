// The API server of the generated cluster, as far as the operator uses one, over real HTTP. Lists
// are made up as they are asked for.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listOf, sliceObject } from './objects.ts'
import type { ControlPlan } from './plan.ts'

export interface GeneratedCluster {
  /** `http://HOST:PORT` */
  readonly url: string
  /** Makes a change of a service's slice, one of a row, and tells watches. */
  change(service: number, turn: number): void
  /** Of any ConfigMap that was written. */
  configMap(name: string): Readonly<Record<string, string>> | undefined
  close(): Promise<void>
}

export const operatorNamespace = 'sluice-system'
const nodeAccount = `system:serviceaccount:${operatorNamespace}:sluice-nodeproxy`

interface Watching {
  readonly collection: string
  readonly response: ServerResponse
}

export async function serveCluster(plan: ControlPlan): Promise<GeneratedCluster> {
  const turns = new Map<number, number>()
  const events: { readonly version: number; readonly line: string }[] = []
  const watching = new Set<Watching>()
  const kept = new Map<string, KeptObject>()
  let version = 1

  function watch(collection: string, from: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (collection === 'endpointslices') {
      for (const event of events) if (event.version > from) response.write(event.line)
    }
    const one = { collection, response }
    watching.add(one)
    response.on('close', () => watching.delete(one))
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://api')
    const collection = url.pathname.split('/').at(-1) ?? ''
    const query = url.searchParams
    if (query.get('watch') === 'true') {
      watch(collection, Number(query.get('resourceVersion')), response)
      return
    }
    if (query.has('limit')) {
      const { items, ...more } = listOf(plan, collection, query, turns)
      response.end(JSON.stringify({ metadata: { resourceVersion: `${version}`, ...more }, items }))
      return
    }
    void bodyOf(request).then((body) => {
      const [status, answer] = keep(kept, request.method ?? 'GET', url.pathname, body)
      response.writeHead(status).end(JSON.stringify(answer))
      return undefined
    })
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', () => listening.resolve())
  await listening.promise
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    change(service, turn) {
      version += 1
      turns.set(service, turn)
      const { metadata, ...rest } = sliceObject(plan, service, turn)
      const object = { ...rest, metadata: { ...metadata, resourceVersion: `${version}` } }
      const line = `${JSON.stringify({ type: 'MODIFIED', object })}\n`
      events.push({ version, line })
      for (const one of watching) {
        if (one.collection === 'endpointslices') one.response.write(line)
      }
    },
    configMap: (name) =>
      kept.get(`/api/v1/namespaces/${operatorNamespace}/configmaps/${name}`)?.data,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}

interface KeptObject {
  readonly metadata?: { readonly name?: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: { readonly token?: string; readonly audiences?: readonly string[] }
}

async function bodyOf(request: IncomingMessage): Promise<KeptObject> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as KeptObject)
}

/** What the operator itself writes: its Lease, Secret and ConfigMap; and whose a token is. */
function keep(
  kept: Map<string, KeptObject>,
  method: string,
  path: string,
  body: KeptObject,
): readonly [number, object] {
  if (path.endsWith('/tokenreviews')) return [201, reviewed(body)]
  if (method === 'GET') {
    const found = kept.get(path)
    return found === undefined ? [404, { message: 'there is none' }] : [200, found]
  }
  const own = method === 'POST' ? `${path}/${body.metadata?.name ?? ''}` : path
  const object = {
    ...(method === 'PATCH' ? kept.get(own) : {}),
    ...body,
    metadata: { ...body.metadata, resourceVersion: '1' },
  }
  kept.set(own, object)
  return [method === 'POST' ? 201 : 200, object]
}

const claim = 'authentication.kubernetes.io'

/** A token is the name of its node. */
function reviewed({ spec = {} }: KeptObject): object {
  const { token = '', audiences = [] } = spec
  const extra = {
    [`${claim}/node-name`]: [token],
    [`${claim}/pod-name`]: [`nodeproxy-${token}`],
    [`${claim}/pod-uid`]: [`uid-of-${token}`],
  }
  return { status: { authenticated: true, audiences, user: { username: nodeAccount, extra } } }
}
