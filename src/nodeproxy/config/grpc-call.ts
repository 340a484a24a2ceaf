import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { deltaStreamPath, reportStreamPath } from '../../model/wire/service.ts'
import type { ReportChannel, ReportChannelHandlers } from '../report/reporter.ts'

export interface GrpcTarget {
  /** `HOST:PORT`, or `unix:PATH`. */
  readonly address: string
  /** That the certificate must name. */
  readonly serverName: string
  /** Of the authority that signed it, PEM. */
  readonly ca: string
  readonly token: string
}

export interface GrpcCallHandlers {
  /** The operator has let us in. */
  onOpen(): void
  /** May throw: the call ends then, with the error as the reason. */
  onMessage(bytes: Uint8Array): void
  /** Once; also when it could never be opened, but not after close(). */
  onEnd(reason: string): void
}

export interface GrpcCall {
  write(bytes: Uint8Array): void
  /** Beside it, on the same connection and so to the same operator; ends with it. */
  openReports(handlers: ReportChannelHandlers): ReportChannel
  close(): void
}

const maxMessageBytes = 64 * 1_048_576

/** A connection of its own each time: another address of the same name may answer. */
export function openGrpcCall(target: GrpcTarget, handlers: GrpcCallHandlers): GrpcCall {
  const options: ChannelOptions = {
    'grpc.ssl_target_name_override': target.serverName,
    'grpc.default_authority': target.serverName,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
    // A dead operator is noticed, and another one asked.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
  }
  const client = new Client(target.address, credentials.createSsl(Buffer.from(target.ca)), options)
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${target.token}`)
  const call = openCall(client, deltaStreamPath, metadata)
  const end = endOnce(call, client, handlers)
  call.on('metadata', () => handlers.onOpen())
  call.on('data', (bytes: Buffer) => {
    try {
      handlers.onMessage(bytes)
    } catch (error) {
      end(error instanceof Error ? error.message : String(error))
    }
  })
  call.on('error', (error: ServiceError) => end(reasonOf(error)))
  call.on('end', () => end('the operator closed the stream'))
  return {
    write: (bytes) => void call.write(bytes),
    openReports: (reportHandlers) =>
      openReportChannel(openCall(client, reportStreamPath, metadata.clone()), call, reportHandlers),
    close: () => end(undefined),
  }
}

type Call = ClientDuplexStream<Uint8Array, Buffer>

function openCall(client: Client, path: string, metadata: Metadata): Call {
  return client.makeBidiStreamRequest<Uint8Array, Buffer>(
    path,
    (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    (bytes) => bytes,
    metadata,
  )
}

/** The operator is older than reports, or this node reports on another stream by now. */
const notAgain: readonly number[] = [status.UNIMPLEMENTED, status.ABORTED]

function openReportChannel(
  reports: Call,
  config: Call,
  handlers: ReportChannelHandlers,
): ReportChannel {
  const close = () => reports.cancel()
  config.once('error', close).once('end', close)
  reports.on('drain', () => handlers.onDrain())
  reports.on('data', (bytes: Buffer) => handlers.onMessage(bytes))
  // What it says comes as the status too, which every end has.
  reports.on('error', () => {})
  reports.on('status', ({ code }) => {
    config.off('error', close).off('end', close)
    handlers.onEnd(!notAgain.includes(code))
  })
  return { write: (bytes) => reports.write(bytes), close }
}

/** @returns what ends the call; nobody is told without a reason */
function endOnce(
  call: Call,
  client: Client,
  handlers: GrpcCallHandlers,
): (reason: string | undefined) => void {
  let ended = false
  return (reason) => {
    if (ended) return
    ended = true
    call.cancel()
    client.close()
    if (reason !== undefined) handlers.onEnd(reason)
  }
}

const hints: Readonly<Partial<Record<number, string>>> = {
  [status.UNAUTHENTICATED]: "look at the service account's token and its audience",
  [status.PERMISSION_DENIED]: 'look at --node and at what the token is bound to',
  [status.UNAVAILABLE]: 'look whether the operator runs and is reachable',
}

function reasonOf({ code, details, message }: ServiceError): string {
  const hint = hints[code]
  const what = `${status[code] ?? code}: ${details === '' ? message : details}`
  return hint === undefined ? what : `${what}; ${hint}`
}
