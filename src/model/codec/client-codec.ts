import { type Fields, readChoice, readFields, readRaw, readText, readTexts } from '../fields.ts'
import { type Decoded, decodeWith, notDecoded, parseJson } from './decoded.ts'
import type { ClientMessage } from './messages.ts'
import { unreadableVersion, wireVersion } from './version.ts'

/** One line of JSON, without its end. */
export function encodeClientMessage(message: ClientMessage): string {
  return JSON.stringify({ v: wireVersion, ...message })
}

export function decodeClientMessage(text: string): Decoded<ClientMessage> {
  const parsed = parseJson(text, 'message of a node')
  if (!parsed.ok) return parsed
  let fault: string | undefined
  const message = decodeWith<ClientMessage>(
    ({ type }) => `message '${type}' of a node`,
    (report) => {
      const fields = readFields(parsed.value, '', report)
      fault = unreadableVersion(readRaw(fields, 'v'))
      return readMessage(fields)
    },
  )
  return fault === undefined ? message : notDecoded(fault)
}

const types = ['hello', 'subscribe', 'unsubscribe', 'ack', 'nack'] as const

function readMessage(fields: Fields): ClientMessage {
  const type = readChoice(fields, 'type', types)
  switch (type) {
    case 'hello':
      return { type, node: readText(fields, 'node'), subscribe: readTexts(fields, 'subscribe') }
    case 'subscribe':
    case 'unsubscribe':
      return { type, names: readTexts(fields, 'names') }
    case 'ack':
      return { type, nonce: readText(fields, 'nonce') }
    default:
      return {
        type,
        nonce: readText(fields, 'nonce'),
        error: readText(fields, 'error', ''),
        rejected: readTexts(fields, 'rejected'),
      }
  }
}
