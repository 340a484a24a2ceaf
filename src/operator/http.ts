import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { anyAddress } from '../any-address.ts'
import type { StatusAnswers } from './report/status-answers.ts'

/** What the operator's HTTP port answers; `/status/` to its own pod alone. */
export interface HttpFacts {
  readonly notReady: () => string
  readonly metrics: () => Promise<string>
  readonly metricsType: string
  readonly status: StatusAnswers
}

export interface OperatorHttp {
  readonly port: number
  close(): Promise<void>
}

/** `/ready`, `/live`, `/metrics` and `/status/…`. @throws Error that names the flag */
export async function serveOperatorHttp(
  { host, port }: { readonly host: string; readonly port: number },
  facts: HttpFacts,
): Promise<OperatorHttp> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const { status, type, body } = await answerTo(request.url ?? '', request.socket, facts)
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    request.resume()
    answer().catch((error: unknown) => {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error))
    })
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (error) =>
    reject(
      new Error(`cannot listen on ${host} port ${port}: ${error.message}: give --http-address`),
    ),
  )
  server.listen(port, anyAddress(host), () => resolve())
  await promise
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

async function answerTo(target: string, socket: Socket, facts: HttpFacts) {
  const { notReady, metrics, metricsType } = facts
  const url = URL.parse(target, 'http://operator')
  if (url?.pathname.startsWith('/status/') === true) return statusAnswer(url, socket, facts)
  switch (url?.pathname) {
    case '/live':
      return { status: 200, type: text, body: 'alive\n' }
    case '/ready': {
      const reason = notReady()
      if (reason === '') return { status: 200, type: text, body: 'ready\n' }
      return { status: 503, type: text, body: `${reason}\n` }
    }
    case '/metrics':
      return { status: 200, type: metricsType, body: await metrics() }
    default:
      return { status: 404, type: text, body: 'there is /ready, /live, /metrics and /status/\n' }
  }
}

const text = 'text/plain; charset=utf-8'

/**
 * It names every pod of the cluster: for those alone who may forward a port to this pod, which
 * comes from inside it. What other pods send can have no loopback address at both ends.
 */
function statusAnswer({ pathname, searchParams }: URL, socket: Socket, { status }: HttpFacts) {
  if (!isLoopback(socket.localAddress) || !isLoopback(socket.remoteAddress)) {
    const body = '/status/ is answered through kubectl port-forward alone: use the sluice command\n'
    return { status: 403, type: text, body }
  }
  const answer = status.answer(pathname, searchParams)
  if (typeof answer === 'string') return { status: 400, type: text, body: `${answer}\n` }
  if (answer !== undefined) {
    return { status: 200, type: 'application/json', body: `${JSON.stringify(answer)}\n` }
  }
  const body = 'there is /status/pods, /status/nodes and /status/config?node=NAME\n'
  return { status: 404, type: text, body }
}

function isLoopback(address = ''): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./u.test(address)
}
