import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { HostPort } from '../lifecycle/options.ts'

export interface HttpRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly wantsJson: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface UnixPath {
  readonly path: string
}

export type Handler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

/** For answers that are being sent when the listener closes. */
const lastAnswerMs = 200

export interface HttpListener {
  close(): Promise<void>
}

/**
 * A small HTTP server for people and scrapers: no bodies in, no connection outlives its answer for
 * long.
 * @throws Error that names the flag when the address cannot be had
 */
export async function serveHttp(
  flag: string,
  address: HostPort | UnixPath,
  handle: Handler,
): Promise<HttpListener> {
  const server = createServer((request, response) => void respond(handle, request, response))
  server.keepAliveTimeout = 5_000
  await listen(server, flag, address)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), lastAnswerMs).unref()
      }),
  }
}

function listen(server: Server, flag: string, address: HostPort | UnixPath): Promise<void> {
  const name = 'path' in address ? address.path : `${address.host} port ${address.port}`
  return new Promise((resolve, reject) => {
    // It stays: later on it is a connection that could not be accepted, which is no reason to end.
    server.on('error', (error) =>
      reject(
        new Error(`cannot listen on ${name}: ${error.message}; choose another by ${flag}`, {
          cause: error,
        }),
      ),
    )
    server.listen(address, () => resolve())
  })
}

async function respond(
  handle: Handler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume()
  const answer = await answerOf(handle, request)
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
  })
  response.end(request.method === 'HEAD' ? '' : answer.body)
}

async function answerOf(handle: Handler, request: IncomingMessage): Promise<HttpAnswer> {
  try {
    const url = new URL(request.url ?? '/', 'http://local')
    const json = url.searchParams.get('format') === 'json'
    return await handle({
      method: request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET'),
      path: url.pathname,
      query: url.searchParams,
      wantsJson: json || (request.headers.accept ?? '').includes('application/json'),
    })
  } catch (error) {
    return plain(500, `${error instanceof Error ? error.message : String(error)}\n`)
  }
}

export function plain(status: number, body: string): HttpAnswer {
  return { status, type: 'text/plain; charset=utf-8', body }
}

export function json(status: number, value: unknown): HttpAnswer {
  const text = JSON.stringify(
    value,
    (_key, inner: unknown) => (typeof inner === 'bigint' ? Number(inner) : inner),
    2,
  )
  return { status, type: 'application/json', body: `${text}\n` }
}
