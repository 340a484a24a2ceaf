import {
  type Fields,
  readFields,
  readObject,
  readObjects,
  readRaw,
  readText,
  readTexts,
} from '../fields.ts'
import { parseSubscription } from '../names.ts'
import { type Resource, resourceName } from '../resources.ts'
import type { Delta, RefusedName } from '../source.ts'
import {
  decodeMeshMessage,
  encodeAnswer,
  encodeComplete,
  meshResourceUrl,
  messageOf,
  noteVersion,
} from './resource-message.ts'
import { messageType } from './schema.ts'

const response = messageType('envoy.service.discovery.v3.DeltaDiscoveryResponse')

/** google.rpc.Code RESOURCE_EXHAUSTED. */
const resourceExhausted = 8

/**
 * A delta as delta xDS has it: an answered name is a resource of its own, a name that nothing
 * answers to is a removed one, and a refused name an error of its own. `initial` is not said: a
 * node knows whether it told what it holds.
 */
export function encodeResponse(delta: Delta): Uint8Array {
  const { nonce, version, upserts, removals, absent, present = [], refused = [] } = delta
  const head = response.encode({
    systemVersionInfo: version,
    typeUrl: meshResourceUrl,
    nonce,
    removedResources: [...removals, ...absent],
    resourceErrors: refused.map(({ name, error }) => ({
      resourceName: { name },
      errorDetail: { code: resourceExhausted, message: error },
    })),
  })
  const parts = [head]
  for (const resource of upserts) parts.push(messageOf(resource).entry)
  for (const name of present) parts.push(encodeAnswer(name))
  if (delta.complete === true) parts.push(encodeComplete(version))
  return Buffer.concat(parts)
}

/** `nonce` and `rejected` are what a NACK says; the nonce is empty where none was found. */
export type DecodedResponse =
  | { readonly ok: true; readonly delta: Delta }
  | {
      readonly ok: false
      readonly error: string
      readonly nonce: string
      readonly rejected: readonly string[]
    }

export function decodeResponse(bytes: Uint8Array): DecodedResponse {
  let members: Readonly<Record<string, unknown>>
  try {
    members = response.decode(bytes)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return bad(`no DeltaDiscoveryResponse: ${cause}: the other side speaks another protocol`)
  }
  const errors: string[] = []
  const fields = readFields(members, '', ({ field, message }) => errors.push(`${field} ${message}`))
  const nonce = readText(fields, 'nonce', '')
  if (nonce === '') return bad('a DeltaDiscoveryResponse without a nonce')
  const taken = takeResources(readObjects(fields, 'resources'))
  const removed = readTexts(fields, 'removedResources')
  const refused = readObjects(fields, 'resourceErrors').map(readRefused)
  if (errors.length > 0) return bad(`delta ${nonce}: ${errors.join('; ')}`, nonce)
  if (taken.errors.length > 0) return bad(taken.errors.join('; '), nonce, taken.rejected)
  const { upserts, present, complete } = taken
  return {
    ok: true,
    delta: {
      nonce,
      version: readText(fields, 'systemVersionInfo', ''),
      upserts,
      removals: removed.filter((name) => parseSubscription(name) === undefined),
      absent: removed.filter((name) => parseSubscription(name) !== undefined),
      ...(present.length > 0 ? { present } : {}),
      ...(refused.length > 0 ? { refused } : {}),
      ...(complete ? { complete } : {}),
    },
  }
}

function bad(error: string, nonce = '', rejected: readonly string[] = []): DecodedResponse {
  return { ok: false, error, nonce, rejected }
}

/** Each by itself, so that the bad ones can be named. */
function takeResources(entries: readonly Fields[]) {
  const upserts: Resource[] = []
  const present: string[] = []
  const errors: string[] = []
  const rejected: string[] = []
  let complete = false
  for (const fields of entries) {
    const name = readText(fields, 'name', '')
    const fault = (error: string) => {
      errors.push(error)
      if (name !== '') rejected.push(name)
    }
    const value = readRaw(readObject(fields, 'resource'), 'value')
    const message = decodeMeshMessage(value instanceof Uint8Array ? value : new Uint8Array())
    if (!message.ok) fault(message.error)
    else if (message.value.kind === 'answer') present.push(name)
    else if (message.value.kind === 'complete') complete = true
    else if (message.value.kind === 'resource') {
      const { resource } = message.value
      if (resourceName(resource) !== name) {
        fault(`resource ${JSON.stringify(name)} has the content of ${resourceName(resource)}`)
        continue
      }
      noteVersion(resource, readText(fields, 'version', ''))
      upserts.push(resource)
    }
  }
  return { upserts, present, complete, errors, rejected }
}

function readRefused(fields: Fields): RefusedName {
  return {
    name: readText(readObject(fields, 'resourceName'), 'name'),
    error: readText(readObject(fields, 'errorDetail'), 'message', ''),
  }
}
