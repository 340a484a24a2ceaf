import { Server, type ServiceDefinition } from '@grpc/grpc-js'
import type { KeyedCertificate } from '../serving/certificates.ts'
import { createServingCredentials } from '../serving/serving-credentials.ts'
import { deltaStreamPath } from '../../model/wire/service.ts'
import { createGrpcDoor, type GrpcCall, type GrpcDoorOptions } from './grpc-door.ts'
import { defaultGrpcLimits, type GrpcLimits } from './grpc-limits.ts'

export interface GrpcServerOptions extends Omit<GrpcDoorOptions, 'limits'> {
  readonly certificate: KeyedCertificate
  readonly limits?: Partial<GrpcLimits>
}

/** Serves nodes over gRPC. */
export interface GrpcServer {
  /** Streams that are open, also those whose token is being looked at. */
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
  const door = createGrpcDoor({ ...options, limits })
  server.addService(serviceDefinition, {
    deltaAggregatedResources: (call: GrpcCall) => door.open(call),
  })
  return {
    get streams() {
      return door.streams
    },
    get refused() {
      return door.refused
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
      door.close('this operator ends')
      const { promise, resolve } = Promise.withResolvers<void>()
      server.tryShutdown(() => resolve())
      const forced = setTimeout(() => server.forceShutdown(), closeMs)
      await promise
      clearTimeout(forced)
    },
  }
}

/** For nodes to read why their streams end. */
const closeMs = 1_000

const asIs = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const serviceDefinition: ServiceDefinition = {
  deltaAggregatedResources: {
    path: deltaStreamPath,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: asIs,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
}
