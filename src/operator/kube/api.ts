import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
} from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { createLineSplitter } from '../../model/codec/lines.ts'

/** The API server, as much of it as is used here: JSON in, JSON out. */
export interface KubeApi {
  /** @throws KubeError with the status, or an Error when there was no answer */
  call(request: KubeRequest, signal?: AbortSignal): Promise<unknown>
  /**
   * Follows a watch. Resolves when the server ends it. @throws like call, and what onEvent throws
   */
  watch(request: KubeRequest, handlers: WatchHandlers, signal: AbortSignal): Promise<void>
}

/** What people's tools read besides. */
export interface KubeReader extends KubeApi {
  /** The answer as it is, where it is no JSON: the log of a pod. @throws like call */
  text(request: KubeRequest, signal?: AbortSignal): Promise<string>
}

export interface WatchHandlers {
  /** The server follows. */
  onOpen(): void
  onEvent(event: unknown): void
}

export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
  /** `application/json` unless told. */
  readonly accept?: string
  readonly contentType?: string
}

/** What the API server answered when it did not do what it was asked for. */
export class KubeError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** A page of a list; one watch event is at most one object, of 1.5 MB in etcd. */
const maxBodyBytes = 256 * 1_048_576
const maxEventBytes = 16 * 1_048_576
const callTimeoutMs = 60_000

/** With the credentials of a kubeconfig, or of the pod. */
export function openKubeApi(config: KubeConfig, userAgent = 'sluice-operator'): KubeReader {
  // Reused: an API server's certificate is not looked at for each call.
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 15_000, maxSockets: 64 })

  async function open(request: KubeRequest, signal: AbortSignal | undefined) {
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new Error('the kubeconfig names no cluster: give --kubeconfig')
    const url = new URL(cluster.server + request.path)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      url.searchParams.set(name, value)
    }
    const options: RequestOptions = { method: request.method ?? 'GET' }
    if (signal !== undefined) options.signal = signal
    await config.applyToHTTPSOptions(options)
    if (cluster.proxyUrl === undefined && url.protocol === 'https:') options.agent = agent
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    options.headers = {
      ...(options.headers as OutgoingHttpHeaders | undefined),
      accept: request.accept ?? 'application/json',
      'user-agent': userAgent,
      ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return responseOf(send(url, options), body, url.host)
  }

  async function text(request: KubeRequest, signal?: AbortSignal): Promise<string> {
    const timeout = AbortSignal.timeout(callTimeoutMs)
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
    const response = await open(request, either)
    const answer = await textOf(response)
    throwUnlessGood(request, response.statusCode ?? 0, answer)
    return answer
  }

  return {
    text,
    call: async (request, signal) => JSON.parse(await text(request, signal)) as unknown,
    async watch(request, handlers, signal) {
      const response = await open(request, signal)
      if (response.statusCode !== 200) {
        throwUnlessGood(request, response.statusCode ?? 0, await textOf(response))
        return
      }
      // A server that is gone without a word is noticed.
      response.socket.setKeepAlive(true, 15_000)
      handlers.onOpen()
      const lines = createLineSplitter(maxEventBytes)
      for await (const chunk of response) {
        for (const line of lines.push(chunk as Buffer)) {
          handlers.onEvent(JSON.parse(line) as unknown)
        }
      }
    },
  }
}

function responseOf(
  request: ClientRequest,
  body: string | undefined,
  host: string,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request.on('response', resolve)
  request.on('error', (error) => {
    reject(new Error(`the API server ${host} does not answer: ${error.message}`, { cause: error }))
  })
  request.end(body)
  return promise
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBodyBytes) throw new Error(`the answer has more than ${maxBodyBytes} bytes`)
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

function throwUnlessGood(
  { method = 'GET', path }: KubeRequest,
  status: number,
  text: string,
): void {
  if (status >= 200 && status < 300) return
  throw new KubeError(status, `${method} ${path}: ${status} ${messageOf(text)}`)
}

/** A Status object mostly; a proxy in between may say anything. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown }
    if (typeof message === 'string') return message
  } catch {
    // It is no JSON, and is shown as it is.
  }
  return text.slice(0, 200)
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status
}
