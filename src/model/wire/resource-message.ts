import { createHash } from 'node:crypto'
import { type Decoded, decoded, notDecoded } from '../codec/decoded.ts'
import { decodeResource, encodeResource } from '../codec/resource-codec.ts'
import { type Resource, resourceName } from '../resources.ts'
import { messageType } from './schema.ts'

const meshResource = messageType('sluice.mesh.v1.MeshResource')

/** Of the one type of resource on a stream. */
export const meshResourceUrl = 'type.googleapis.com/sluice.mesh.v1.MeshResource'

/** A resource as it is sent. */
export interface ResourceMessage {
  /** Its part of a response, whole: a response is these, one after the other, and little else. */
  readonly entry: Uint8Array
  readonly version: string
}

const messages = new WeakMap<Resource, ResourceMessage>()
const versions = new WeakMap<Resource, string>()

/** Made once for all who are sent it: resources never change. */
export function messageOf(resource: Resource): ResourceMessage {
  const known = messages.get(resource)
  if (known !== undefined) return known
  const bytes = encode(resource)
  const version = versionOfBytes(bytes)
  const message = { entry: encodeEntry(resourceName(resource), version, bytes), version }
  messages.set(resource, message)
  return message
}

/**
 * Of its content, so that it says the same on every operator and after every restart. Another
 * release may write the same content in other bytes: then it is sent once more.
 */
export function versionOf(resource: Resource): string {
  const known = versions.get(resource) ?? messages.get(resource)?.version
  if (known !== undefined) return known
  const version = versionOfBytes(encode(resource))
  versions.set(resource, version)
  return version
}

/** Undefined where it was not received under one. */
export function notedVersion(resource: Resource): string | undefined {
  return versions.get(resource)
}

/** The version under which a resource was received: what to say to whoever sent it. */
export function noteVersion(resource: Resource, version: string): void {
  versions.set(resource, version)
}

const response = messageType('envoy.service.discovery.v3.DeltaDiscoveryResponse')

/** A response with this resource alone: the parts of a message may be put together in any order. */
function encodeEntry(name: string, version: string, value: Uint8Array): Uint8Array {
  const resource = { typeUrl: meshResourceUrl, value }
  return response.encode({ resources: [{ name, version, resource }] })
}

const answerBytes = meshResource.encode({ answer: {} })
const completeBytes = meshResource.encode({ complete: {} })

/** Version of a name that was answered; `absent` where nobody is: see HeldState. */
const presentVersion = 'present'

export function encodeAnswer(name: string): Uint8Array {
  return encodeEntry(name, presentVersion, answerBytes)
}

export function encodeComplete(version: string): Uint8Array {
  return encodeEntry('complete', version, completeBytes)
}

export type MeshMessage =
  | { readonly kind: 'resource'; readonly resource: Resource }
  | { readonly kind: 'answer' | 'complete' | 'unknown' }

/** Kinds that are not known, of a newer sender, are no error. */
export function decodeMeshMessage(bytes: Uint8Array): Decoded<MeshMessage> {
  let members: Readonly<Record<string, unknown>>
  try {
    members = meshResource.decode(bytes)
  } catch (error) {
    return notDecoded(`no MeshResource: ${error instanceof Error ? error.message : String(error)}`)
  }
  const [kind = 'unknown', content] = Object.entries(members)[0] ?? []
  if (kind === 'answer' || kind === 'complete') return decoded({ kind })
  if (kind === 'unknown') return decoded({ kind })
  const resource = decodeResource({ ...(content as object), type: kind })
  if (!resource.ok) return resource
  if (resource.value === undefined) return decoded({ kind: 'unknown' })
  return decoded({ kind: 'resource', resource: resource.value })
}

/** The members of mesh.proto's messages are those that the JSON has, by design. */
function encode(resource: Resource): Uint8Array {
  return meshResource.encode({ [resource.type]: encodeResource(resource) })
}

/** 72 bits: the same by chance for no two versions of one resource that ever meet. */
const versionCharacters = 12

function versionOfBytes(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, versionCharacters)
}
