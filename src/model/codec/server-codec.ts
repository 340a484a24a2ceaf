import {
  type Fields,
  readChoice,
  readFields,
  readFlag,
  readObjects,
  readRaw,
  readText,
  readTexts,
} from '../fields.ts'
import type { Resource } from '../resources.ts'
import type { Delta, RefusedName } from '../source.ts'
import { decodeWith, parseJson } from './decoded.ts'
import type { ServerMessage } from './messages.ts'
import { decodeResource, encodeResource } from './resource-codec.ts'
import { unreadableVersion, wireVersion } from './version.ts'

/** One line of JSON, without its end. */
export function encodeServerMessage(message: ServerMessage): string {
  if (message.type === 'error') return JSON.stringify({ v: wireVersion, ...message })
  return JSON.stringify({ v: wireVersion, type: 'delta', ...encodeDelta(message.delta) })
}

/** Absent lists say less, so they are left out when empty. */
export function encodeDelta(delta: Delta): object {
  const { nonce, version, upserts, removals, absent, present = [], refused = [] } = delta
  return {
    nonce,
    version,
    ...(upserts.length > 0 ? { upserts: upserts.map(encodeResource) } : {}),
    ...(removals.length > 0 ? { removals } : {}),
    ...(absent.length > 0 ? { absent } : {}),
    ...(present.length > 0 ? { present } : {}),
    ...(refused.length > 0 ? { refused } : {}),
    ...(delta.initial === true ? { initial: true } : {}),
    ...(delta.complete === true ? { complete: true } : {}),
  }
}

/**
 * `nonce` and `rejected` are what a NACK of a bad delta says; the nonce is empty where none was
 * found.
 */
export type DecodedServerMessage =
  | { readonly ok: true; readonly message: ServerMessage }
  | {
      readonly ok: false
      readonly error: string
      readonly nonce: string
      readonly rejected: readonly string[]
    }

export function decodeServerMessage(text: string): DecodedServerMessage {
  const parsed = parseJson(text, 'message of the source')
  if (!parsed.ok) return bad(parsed.error)
  let fault: string | undefined
  const type = decodeWith<ServerMessage['type']>(
    () => 'message of the source',
    (report) => {
      const fields = readFields(parsed.value, '', report)
      fault = unreadableVersion(readRaw(fields, 'v'))
      return readChoice(fields, 'type', ['delta', 'error'])
    },
  )
  if (fault !== undefined) return bad(fault)
  if (!type.ok) return bad(type.error)
  if (type.value === 'delta') return decodeDelta(parsed.value)
  const error = readText(
    readFields(parsed.value, '', () => {}),
    'error',
    '',
  )
  return { ok: true, message: { type: 'error', error } }
}

function bad(error: string, nonce = '', rejected: readonly string[] = []): DecodedServerMessage {
  return { ok: false, error, nonce, rejected }
}

function decodeDelta(value: unknown): DecodedServerMessage {
  const resources = readResources(value)
  const delta = decodeWith<Delta>(
    ({ nonce }) => `delta ${nonce}`,
    (report) => readDelta(readFields(value, '', report), resources.good),
  )
  if (!delta.ok) return bad(delta.error, textOf(value, 'nonce'))
  const { nonce } = delta.value
  if (resources.errors.length > 0)
    return bad(resources.errors.join('; '), nonce, resources.rejected)
  return { ok: true, message: { type: 'delta', delta: delta.value } }
}

/** Each resource by itself, so that the bad ones can be named. */
function readResources(value: unknown) {
  const good: Resource[] = []
  const errors: string[] = []
  const rejected: string[] = []
  const upserts = readRaw(
    readFields(value, '', () => {}),
    'upserts',
  )
  for (const item of Array.isArray(upserts) ? (upserts as readonly unknown[]) : []) {
    const resource = decodeResource(item)
    if (!resource.ok) {
      errors.push(resource.error)
      rejected.push(nameOf(item))
    } else if (resource.value !== undefined) good.push(resource.value)
  }
  return { good, errors, rejected: rejected.filter((name) => name !== '') }
}

/** The name under which a bad resource was sent, as far as it can be told. */
function nameOf(value: unknown): string {
  const [type, key, uid] = ['type', 'key', 'uid'].map((name) => textOf(value, name))
  if (type === 'settings') return type
  const id = type === 'service' ? key : uid
  return type === '' || id === '' ? '' : `${type}/${id}`
}

function textOf(value: unknown, name: string): string {
  const text = readRaw(
    readFields(value, '', () => {}),
    name,
  )
  return typeof text === 'string' ? text : ''
}

function readDelta(fields: Fields, upserts: readonly Resource[]): Delta {
  readObjects(fields, 'upserts')
  const present = readTexts(fields, 'present')
  const refused = readObjects(fields, 'refused').map(readRefused)
  return {
    nonce: readText(fields, 'nonce'),
    version: readText(fields, 'version', ''),
    upserts,
    removals: readTexts(fields, 'removals'),
    absent: readTexts(fields, 'absent'),
    ...(present.length > 0 ? { present } : {}),
    ...(refused.length > 0 ? { refused } : {}),
    ...(readFlag(fields, 'initial', false) ? { initial: true } : {}),
    ...(readFlag(fields, 'complete', false) ? { complete: true } : {}),
  }
}

function readRefused(fields: Fields): RefusedName {
  return { name: readText(fields, 'name'), error: readText(fields, 'error', '') }
}
