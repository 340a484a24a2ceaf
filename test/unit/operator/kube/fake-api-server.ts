// An API server as far as lists and watches go, over real HTTP: for its failures, which a real one
// does not have when a test wants them. The real one's behaviour is tested on the cluster.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import { type KubeApi, openKubeApi } from '../../../../src/operator/kube/api.ts'

export interface FakeObject {
  readonly metadata: {
    readonly namespace?: string
    readonly name: string
    readonly [name: string]: unknown
  }
  readonly [name: string]: unknown
}

export interface FakeApiServer {
  readonly api: KubeApi
  /** Lines `list`, `list continue`, `watch <version>`, with the collection first. */
  readonly asked: string[]
  put(collection: string, object: FakeObject): void
  remove(collection: string, namespace: string, name: string): void
  bookmark(collection: string): void
  /** Versions before this one are forgotten: who watches from there is told 410. */
  compact(): void
  /** Ends the connections of all watches of a collection, with or without a word. */
  cut(collection: string, how: 'end' | 'reset'): void
  /** The collection is not served. */
  hide(collection: string): void
  show(collection: string): void
  /** The next requests of that kind are answered with this status. */
  fail(status: number, times: number): void
  readonly watchers: number
}

interface Watcher {
  readonly collection: string
  readonly response: ServerResponse
}

export async function startFakeApiServer(t: TestContext): Promise<FakeApiServer> {
  const objects = new Map<string, Map<string, FakeObject>>()
  const events: { version: number; collection: string; line: string }[] = []
  const watchers = new Set<Watcher>()
  const hidden = new Set<string>()
  const asked: string[] = []
  let version = 1
  let oldest = 0
  let failing = { status: 500, times: 0 }

  const ofCollection = (name: string) => {
    const known = objects.get(name) ?? new Map<string, FakeObject>()
    objects.set(name, known)
    return known
  }
  const tell = (collection: string, type: string, object: object) => {
    const line = `${JSON.stringify({ type, object })}\n`
    events.push({ version, collection, line })
    for (const watcher of watchers) {
      if (watcher.collection === collection) watcher.response.write(line)
    }
  }
  const stamped = (object: FakeObject): FakeObject => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(version) },
  })

  function list(collection: string, query: URLSearchParams, response: ServerResponse): void {
    const token = query.get('continue')
    asked.push(`${collection} list${token === null ? '' : ' continue'}`)
    const start = Number(token ?? 0)
    const limit = Number(query.get('limit') ?? 500)
    const all = [...ofCollection(collection).values()]
    const more = start + limit < all.length ? { continue: String(start + limit) } : {}
    const metadata = { resourceVersion: String(version), ...more }
    response.end(JSON.stringify({ metadata, items: all.slice(start, start + limit) }))
  }

  function watch(collection: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'))
    asked.push(`${collection} watch ${query.get('allowWatchBookmarks') === 'true' ? '' : 'bare'}`)
    response.writeHead(200, { 'content-type': 'application/json' })
    if (from < oldest) {
      const status = { kind: 'Status', code: 410, message: 'too old resource version' }
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
      return
    }
    response.flushHeaders()
    for (const event of events) {
      if (event.collection === collection && event.version > from) response.write(event.line)
    }
    const watcher = { collection, response }
    watchers.add(watcher)
    response.on('close', () => watchers.delete(watcher))
  }

  const server = createServer((request: IncomingMessage, response) => {
    const url = new URL(request.url ?? '', 'http://api')
    const collection = url.pathname.split('/').at(-1) ?? ''
    if (failing.times > 0) {
      failing = { ...failing, times: failing.times - 1 }
      asked.push(`${collection} failed`)
      response.writeHead(failing.status).end(JSON.stringify({ message: 'made to fail' }))
    } else if (hidden.has(collection)) {
      asked.push(`${collection} hidden`)
      response.writeHead(404).end('404 page not found')
    } else if (url.searchParams.get('watch') === 'true') {
      watch(collection, url.searchParams, response)
    } else list(collection, url.searchParams, response)
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', () => listening.resolve())
  await listening.promise
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    api: openKubeApi(configFor(`http://127.0.0.1:${port}`)),
    asked,
    put(collection, object) {
      version += 1
      const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`
      const type = ofCollection(collection).has(key) ? 'MODIFIED' : 'ADDED'
      ofCollection(collection).set(key, stamped(object))
      tell(collection, type, stamped(object))
    },
    remove(collection, namespace, name) {
      version += 1
      const object = ofCollection(collection).get(`${namespace}/${name}`)
      ofCollection(collection).delete(`${namespace}/${name}`)
      if (object !== undefined) tell(collection, 'DELETED', stamped(object))
    },
    bookmark(collection) {
      version += 1
      tell(collection, 'BOOKMARK', { metadata: { resourceVersion: String(version) } })
    },
    compact() {
      version += 1
      oldest = version
      events.length = 0
    },
    cut(collection, how) {
      for (const watcher of watchers) {
        if (watcher.collection !== collection) continue
        watchers.delete(watcher)
        if (how === 'end') watcher.response.end()
        else watcher.response.destroy()
      }
    },
    hide: (collection) => void hidden.add(collection),
    show: (collection) => void hidden.delete(collection),
    fail: (status, times) => void (failing = { status, times }),
    get watchers() {
      return watchers.size
    },
  }
}

function configFor(server: string): KubeConfig {
  const config = new KubeConfig()
  config.loadFromClusterAndUser({ name: 'fake', server, skipTLSVerify: true }, { name: 'nobody' })
  return config
}
