import { Server, type ServiceDefinition } from '@grpc/grpc-js'
import { deltaStreamPath, reportStreamPath } from '../../model/wire/service.ts'
import { defaultReportLimits, type ReportLimits } from '../report/limits.ts'
import type { ReportBook } from '../report/report-book.ts'
import { openReportStream } from '../report/report-stream.ts'
import type { KeyedCertificate } from '../serving/certificates.ts'
import { createServingCredentials } from '../serving/serving-credentials.ts'
import type { Authenticate } from './grpc-admission.ts'
import type { GrpcCall } from './grpc-call.ts'
import { createGrpcDoor, type GrpcDoor } from './grpc-door.ts'
import { defaultGrpcLimits, type GrpcLimits } from './grpc-limits.ts'
import type { Publisher } from './publisher.ts'
import { createRequestStream, type StreamObserver } from './request-stream.ts'

export interface GrpcServerOptions {
  readonly publisher: Publisher
  /** Where reports of nodes go; without one they are not served. */
  readonly reports?: ReportBook
  readonly authenticate: Authenticate
  readonly certificate: KeyedCertificate
  readonly limits?: Partial<GrpcLimits>
  readonly reportLimits?: Partial<ReportLimits>
  /** Somebody was refused, or a stream ended by a fault. */
  readonly onRefused?: (node: string, reason: string) => void
  readonly observer?: StreamObserver
}

/** Serves nodes over gRPC. */
export interface GrpcServer {
  /** Streams of configuration that are open, also those whose token is being looked at. */
  readonly streams: number
  readonly refused: number
  /** New connections are shown this one. */
  renew(certificate: KeyedCertificate): void
  /**
   * Listens; `HOST:PORT`, or `unix:PATH`. @returns the port. @throws Error naming the address
   */
  listen(address: string): Promise<number>
  /** Ends all streams: nodes go to another operator, and keep what they have until then. */
  close(): Promise<void>
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const limits = { ...defaultGrpcLimits, ...options.limits }
  const identity = createServingCredentials(options.certificate)
  const server = new Server({
    'grpc.max_receive_message_length': limits.messageBytes,
    // One resource is always sent, however large; what a delta holds is limited by the publisher.
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': limits.concurrentStreams,
    // A node that is gone without a word frees its place.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  })
  const config = configDoor(options, limits)
  const reports = reportDoor(options, limits)
  server.addService(serviceDefinition, {
    deltaAggregatedResources: (call: GrpcCall) => config.open(call),
  })
  if (reports !== undefined) {
    server.addService(reportDefinition, { report: (call: GrpcCall) => reports.open(call) })
  }
  return {
    get streams() {
      return config.streams
    },
    get refused() {
      return config.refused + (reports?.refused ?? 0)
    },
    renew: (certificate) => identity.renew(certificate),
    async listen(address) {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      server.bindAsync(address, identity.credentials, (error, port) => {
        if (error === null) resolve(port)
        else reject(new Error(`gRPC cannot listen on ${address}: ${error.message}`))
      })
      return promise
    },
    async close() {
      for (const door of [config, reports]) door?.close('this operator ends')
      const { promise, resolve } = Promise.withResolvers<void>()
      server.tryShutdown(() => resolve())
      const forced = setTimeout(() => server.forceShutdown(), closeMs)
      await promise
      clearTimeout(forced)
    },
  }
}

function configDoor(options: GrpcServerOptions, limits: GrpcLimits): GrpcDoor {
  const { publisher, authenticate, observer, onRefused = () => {} } = options
  return createGrpcDoor({
    authenticate,
    limits,
    messages: limits.messages,
    serve(node, call) {
      const send = (bytes: Uint8Array) => void call.write(bytes)
      return createRequestStream(publisher, node, send, observer)
    },
    onRefused,
  })
}

function reportDoor(options: GrpcServerOptions, limits: GrpcLimits): GrpcDoor | undefined {
  const { publisher, reports, authenticate, onRefused = () => {} } = options
  if (reports === undefined) return undefined
  const own = { ...defaultReportLimits, ...options.reportLimits }
  return createGrpcDoor({
    authenticate,
    limits,
    messages: own.messages,
    async serve(node, call) {
      // Before that, no pod is known to be anybody's; what comes meanwhile is not read.
      await publisher.published
      return openReportStream(reports, own, node, call)
    },
    onRefused,
  })
}

/** For nodes to read why their streams end. */
const closeMs = 1_000

const asIs = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const bothWays = {
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: asIs,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const

const serviceDefinition: ServiceDefinition = {
  deltaAggregatedResources: { path: deltaStreamPath, ...bothWays },
}

const reportDefinition: ServiceDefinition = { report: { path: reportStreamPath, ...bothWays } }
