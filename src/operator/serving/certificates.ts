// What @peculiar/x509 finds its parts with.
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate and its key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string
  readonly privateKey: string
}

export interface Validity {
  readonly fromMs: number
  readonly toMs: number
}

/** P-256: every TLS stack has it, and handshakes are cheap. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** An authority by its own word, for servers alone: it may sign no further authorities. */
export async function makeAuthority(name: string, validity: Validity): Promise<KeyedCertificate> {
  const keys = await makeKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    ...common(validity),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey: await toPem(keys.privateKey) }
}

/**
 * A server's certificate. @param names DNS names and IP addresses, the first its subject
 * @throws Error when the authority's PEM is none
 */
export async function signServer(
  authority: KeyedCertificate,
  names: readonly string[],
  validity: Validity,
): Promise<KeyedCertificate> {
  const keys = await makeKeys()
  const issuer = new X509Certificate(authority.certificate)
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${names[0] ?? ''}`,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await fromPem(authority.privateKey),
    ...common(validity),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map(generalName)),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  })
  return { certificate: certificate.toString('pem'), privateKey: await toPem(keys.privateKey) }
}

function common({ fromMs, toMs }: Validity) {
  return {
    // Positive, and from a random source, as RFC 5280 wants it.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    notBefore: new Date(fromMs),
    notAfter: new Date(toMs),
    signingAlgorithm: algorithm,
  }
}

function generalName(name: string): JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name }
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function toPem(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
}

async function fromPem(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = PemConverter.decode(pem)
  if (der === undefined) throw new Error("the authority's private key is no PEM")
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
}
