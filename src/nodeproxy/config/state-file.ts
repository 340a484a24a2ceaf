import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  type Decoded,
  decoded,
  decodeWith,
  notDecoded,
  parseJson,
} from '../../model/codec/decoded.ts'
import { decodeResource, encodeResource } from '../../model/codec/resource-codec.ts'
import { unreadableVersion, wireVersion } from '../../model/codec/version.ts'
import {
  readChoice,
  readFields,
  readFlag,
  readObjects,
  readRaw,
  readText,
} from '../../model/fields.ts'
import type { Resource } from '../../model/resources.ts'
import type { KnownAddress } from './subscribed-addresses.ts'

/** What a node knew, as a restart needs it. */
export interface StoredState {
  readonly node: string
  readonly version: string
  /** All pods of the node had been named. */
  readonly complete: boolean
  readonly resources: readonly Resource[]
  readonly addresses: readonly KnownAddress[]
}

export interface StateFile {
  /** Undefined where there is none yet. An error says what to do about the file. */
  load(): Decoded<StoredState | undefined>
  /** Replaces the file whole, or leaves it as it was. @throws Error naming the file */
  save(state: StoredState): Promise<void>
}

export function createStateFile(path: string): StateFile {
  return {
    load() {
      removeLeftovers(path)
      let text: string
      try {
        text = readFileSync(path, 'utf8')
      } catch (error) {
        if (isMissing(error)) return decoded(undefined)
        return notDecoded(
          `state file ${path} cannot be read: ${causeOf(error)}: check its owner and mode`,
        )
      }
      const state = decodeState(text)
      if (state.ok) return state
      return notDecoded(`state file ${path}: ${state.error}: delete it; the source sends all again`)
    },
    async save(state) {
      // Two generations of the proxy may write at the same time: each makes a file of its own.
      const aside = `${path}.${randomUUID()}.new`
      try {
        const file = await open(aside, 'w', 0o600)
        try {
          await file.writeFile(encodeState(state))
          await file.sync()
        } finally {
          await file.close()
        }
        await rename(aside, path)
      } catch (error) {
        // The error that is told is the first one.
        await rm(aside, { force: true }).catch(() => {})
        throw new Error(
          `state file ${path} cannot be written: ` +
            `${causeOf(error)}: free space, or check the folder`,
          { cause: error },
        )
      }
    },
  }
}

function encodeState({ resources, ...rest }: StoredState): string {
  return JSON.stringify({ v: wireVersion, ...rest, resources: resources.map(encodeResource) })
}

function decodeState(text: string): Decoded<StoredState> {
  const parsed = parseJson(text, 'its content')
  if (!parsed.ok) return parsed
  const version = unreadableVersion(
    readRaw(
      readFields(parsed.value, '', () => {}),
      'v',
    ),
  )
  if (version !== undefined) return notDecoded(version)
  const resources: Resource[] = []
  let fault: string | undefined
  const state = decodeWith<StoredState>(
    () => 'its content',
    (report) => {
      const fields = readFields(parsed.value, '', report)
      for (const item of readObjects(fields, 'resources')) {
        const resource = decodeResource(item.members)
        if (!resource.ok) fault = resource.error
        else if (resource.value !== undefined) resources.push(resource.value)
      }
      return {
        node: readText(fields, 'node'),
        version: readText(fields, 'version', ''),
        complete: readFlag(fields, 'complete', false),
        resources,
        addresses: readObjects(fields, 'addresses').map((address) => ({
          ip: readText(address, 'ip'),
          requester: readText(address, 'requester', ''),
          state: readChoice(address, 'state', ['present', 'absent']),
        })),
      }
    },
  )
  return state.ok && fault !== undefined ? notDecoded(fault) : state
}

/** What a writer that was killed left behind; one that writes now is younger. */
const leftoverMs = 60_000

function removeLeftovers(path: string): void {
  const folder = dirname(path)
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith('.new')) continue
    const file = join(folder, name)
    const writtenMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
    if (Date.now() - writtenMs > leftoverMs) rmSync(file, { force: true })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
