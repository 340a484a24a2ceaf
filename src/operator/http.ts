import { createServer } from 'node:http'

/** What the operator's HTTP port answers. */
export interface HttpFacts {
  readonly notReady: () => string
  readonly metrics: () => Promise<string>
  readonly metricsType: string
}

export interface OperatorHttp {
  readonly port: number
  close(): Promise<void>
}

/** `/ready`, `/live` and `/metrics`. @throws Error that names the flag */
export async function serveOperatorHttp(
  { host, port }: { readonly host: string; readonly port: number },
  facts: HttpFacts,
): Promise<OperatorHttp> {
  const server = createServer((request, response) => {
    const answer = async () => {
      const { status, type, body } = await answerTo(request.url ?? '', facts)
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
  server.listen(port, host, () => resolve())
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

async function answerTo(url: string, { notReady, metrics, metricsType }: HttpFacts) {
  const text = 'text/plain; charset=utf-8'
  switch (url.split('?')[0]) {
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
      return { status: 404, type: text, body: 'there is /ready, /live and /metrics\n' }
  }
}
