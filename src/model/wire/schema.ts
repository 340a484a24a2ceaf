import protobuf from 'protobufjs/light.js'
import schema from './schema.json' with { type: 'json' }
import { openReader } from './texts.ts'

/**
 * The messages of the .proto files beside it. schema.json is what protobufjs makes of them, so that
 * no parser is loaded; a test compares them.
 */
const root = protobuf.Root.fromJSON(schema)

/** A message as bytes, and back. */
export interface MessageType {
  encode(value: object): Uint8Array
  /**
   * Its own members are those that were sent, and lists and maps that are empty; what it inherits
   * says nothing. @throws Error when the bytes are no such message
   */
  decode(bytes: Uint8Array): Readonly<Record<string, unknown>>
}

export function messageType(name: string): MessageType {
  const type = root.lookupType(name)
  return {
    encode: (value) => type.encode(value).finish(),
    // Not made plain data of: that would be another pass over all of it.
    decode: (bytes) => type.decode(openReader(bytes)),
  }
}
