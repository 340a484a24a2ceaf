import { experimental, type ServerCredentials } from '@grpc/grpc-js'
import type { KeyedCertificate } from './certificates.ts'

/** What a gRPC server shows, to be replaced while it serves. */
export interface ServingCredentials {
  readonly credentials: ServerCredentials
  /** New connections are shown this one. */
  renew(certificate: KeyedCertificate): void
}

export function createServingCredentials(first: KeyedCertificate): ServingCredentials {
  const listeners = new Set<experimental.IdentityCertificateUpdateListener>()
  let current = updateOf(first)
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener: () => {},
    removeCaCertificateListener: () => {},
    addIdentityCertificateListener(listener) {
      listeners.add(listener)
      // Later: who asks is ready for the answer only when this call has returned.
      queueMicrotask(() => listener(current))
    },
    removeIdentityCertificateListener: (listener) => void listeners.delete(listener),
  }
  // Its first parameter is the identity, whatever its type calls it.
  const credentials = experimental.createCertificateProviderServerCredentials(provider, null, false)
  return {
    credentials,
    renew(certificate) {
      current = updateOf(certificate)
      for (const listener of listeners) listener(current)
    },
  }
}

function updateOf({ certificate, privateKey }: KeyedCertificate) {
  return { certificate: Buffer.from(certificate), privateKey: Buffer.from(privateKey) }
}
