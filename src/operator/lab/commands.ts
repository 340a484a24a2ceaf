import { type Decoded, decodeWith, parseJson } from '../../model/codec/decoded.ts'
import {
  type Fields,
  readChoice,
  readFields,
  readObject,
  readObjects,
  readRaw,
  readText,
  reportField,
} from '../../model/fields.ts'
import type { ObjectReference } from './object-set.ts'

/** What a person or a test tells the lab's server: one JSON object, answered by one. */
export type LabCommand =
  | { readonly command: 'apply' | 'replace'; readonly objects: readonly unknown[] }
  | { readonly command: 'delete'; readonly references: readonly ObjectReference[] }
  | {
      readonly command: 'annotate'
      readonly reference: ObjectReference
      readonly annotations: Readonly<Record<string, string | null>>
    }
  | { readonly command: 'status' }

/** Whether a line is a command, and not the hello of a node. */
export function isCommand(line: string): boolean {
  const parsed = parseJson(line, 'line')
  if (!parsed.ok) return false
  return (
    readRaw(
      readFields(parsed.value, '', () => {}),
      'command',
    ) !== undefined
  )
}

const names = ['apply', 'replace', 'delete', 'annotate', 'status'] as const

export function decodeCommand(line: string): Decoded<LabCommand> {
  const parsed = parseJson(line, 'command')
  if (!parsed.ok) return parsed
  return decodeWith<LabCommand>(
    ({ command }) => `command '${command}'`,
    (report) => readCommand(readFields(parsed.value, '', report)),
  )
}

function readCommand(fields: Fields): LabCommand {
  const command = readChoice(fields, 'command', names)
  switch (command) {
    case 'apply':
    case 'replace':
      return { command, objects: readObjects(fields, 'objects').map(({ members }) => members) }
    case 'delete':
      return { command, references: readObjects(fields, 'references').map(readReference) }
    case 'annotate':
      return {
        command,
        reference: readReference(readObject(fields, 'reference')),
        annotations: readAnnotations(fields),
      }
    default:
      return { command }
  }
}

function readReference(fields: Fields): ObjectReference {
  const namespace = readText(fields, 'namespace', '')
  return { kind: readText(fields, 'kind'), namespace, name: readText(fields, 'name') }
}

/** Null takes an annotation away. */
function readAnnotations(fields: Fields): Readonly<Record<string, string | null>> {
  const annotations: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(readObject(fields, 'annotations').members)) {
    if (typeof value === 'string' || value === null) annotations[name] = value
    else reportField(fields, `annotations[${name}]`, 'is not text', 'give text, or null')
  }
  return annotations
}
