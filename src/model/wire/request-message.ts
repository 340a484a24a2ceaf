import { type Decoded, decodeWith, notDecoded } from '../codec/decoded.ts'
import {
  type Fields,
  readFields,
  readObject,
  readObjects,
  readRaw,
  readText,
  readTextMap,
  readTexts,
} from '../fields.ts'
import { meshResourceUrl } from './resource-message.ts'
import { messageType } from './schema.ts'

/** What a node sends: any mixture of an answer to a delta and changes of its subscriptions. */
export interface DeltaRequest {
  /** In the first one. */
  readonly node?: string
  readonly subscribe?: readonly string[]
  readonly unsubscribe?: readonly string[]
  /** In the first one: what it holds, by name. An answered name has `present` or `absent`. */
  readonly versions?: ReadonlyMap<string, string>
  /** Of the delta that it answers. */
  readonly nonce?: string
  /** It rejects that delta; without, it acknowledges it. */
  readonly error?: { readonly message: string; readonly rejected: readonly string[] }
}

const request = messageType('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const rejectedMessage = messageType('sluice.mesh.v1.Rejected')
const rejectedUrl = 'type.googleapis.com/sluice.mesh.v1.Rejected'

/** google.rpc.Code INVALID_ARGUMENT: what xDS clients say of a resource that they cannot take. */
const invalidArgument = 3

export function encodeRequest(message: DeltaRequest): Uint8Array {
  const { node, subscribe, unsubscribe, versions, nonce, error } = message
  return request.encode({
    ...(node === undefined ? {} : { node: { id: node } }),
    typeUrl: meshResourceUrl,
    ...(subscribe === undefined ? {} : { resourceNamesSubscribe: subscribe }),
    ...(unsubscribe === undefined ? {} : { resourceNamesUnsubscribe: unsubscribe }),
    ...(versions === undefined ? {} : { initialResourceVersions: Object.fromEntries(versions) }),
    ...(nonce === undefined ? {} : { responseNonce: nonce }),
    ...(error === undefined ? {} : { errorDetail: encodeError(error) }),
  })
}

function encodeError({ message, rejected }: NonNullable<DeltaRequest['error']>): object {
  const value = rejectedMessage.encode({ names: rejected })
  return { code: invalidArgument, message, details: [{ typeUrl: rejectedUrl, value }] }
}

export function decodeRequest(bytes: Uint8Array): Decoded<DeltaRequest> {
  let members: Readonly<Record<string, unknown>>
  try {
    members = request.decode(bytes)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return notDecoded(`no DeltaDiscoveryRequest: ${cause}: speak delta xDS, version 3`)
  }
  const typeUrl = Object.hasOwn(members, 'typeUrl') ? members['typeUrl'] : meshResourceUrl
  if (typeUrl !== meshResourceUrl) {
    return notDecoded(
      `type_url is ${JSON.stringify(typeUrl)}: what is served is ${meshResourceUrl}`,
    )
  }
  return decodeWith<DeltaRequest>(
    () => 'request of a node',
    (report) => readRequest(readFields(members, '', report)),
  )
}

function readRequest(fields: Fields): DeltaRequest {
  const node = readText(readObject(fields, 'node'), 'id', '')
  const nonce = readText(fields, 'responseNonce', '')
  const error = readRaw(fields, 'errorDetail') === undefined ? undefined : readError(fields)
  return {
    ...(node === '' ? {} : { node }),
    subscribe: readTexts(fields, 'resourceNamesSubscribe'),
    unsubscribe: readTexts(fields, 'resourceNamesUnsubscribe'),
    versions: new Map(Object.entries(readTextMap(fields, 'initialResourceVersions'))),
    ...(nonce === '' ? {} : { nonce }),
    ...(error === undefined ? {} : { error }),
  }
}

function readError(fields: Fields): NonNullable<DeltaRequest['error']> {
  const detail = readObject(fields, 'errorDetail')
  const rejected = readObjects(detail, 'details').flatMap((any) => {
    const value = readRaw(any, 'value')
    if (readText(any, 'typeUrl', '') !== rejectedUrl || !(value instanceof Uint8Array)) return []
    return readTexts(readFields(rejectedNames(value), '', fields.report), 'names')
  })
  return { message: readText(detail, 'message', ''), rejected }
}

/** Without them, the whole delta is at fault. */
function rejectedNames(bytes: Uint8Array): object {
  try {
    return rejectedMessage.decode(bytes)
  } catch {
    return {}
  }
}
