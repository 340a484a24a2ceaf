import { join } from 'node:path'
import { optionalObjects, requiredObjects } from '../../kernel/objects.ts'
import type { BpfLoadError, BpfObject, Native } from '../../native.ts'
import { type Answer, type Ask, passed } from '../ask.ts'
import type { CheckId } from '../catalogue.ts'

type Optional = (typeof optionalObjects)[number]

/** Which check tells of which optional object; the compiler keeps this complete. */
const checkOf: Readonly<Record<Optional, CheckId>> = {
  sockopt: 'programs-acceleration',
  verdict: 'programs-acceleration',
  trace: 'programs-tracepoints',
  kubelet: 'programs-kubelet',
}

/**
 * Loads what the node proxy will load, as it will: the verifier's answer is the point. Nothing
 * stays.
 */
export async function probePrograms(ask: Ask, native: Native, objectDir: string): Promise<void> {
  const shared: Record<string, number> = {}
  using loaded = new DisposableStack()
  const load = (names: readonly string[]): Answer<void> => {
    let programs = 0
    for (const name of names) {
      const object = loadObject(native, join(objectDir, `${name}.bpf.o`), shared)
      loaded.defer(() => object.close())
      for (const [map, fd] of Object.entries(object.maps)) shared[map] ??= fd
      programs += Object.keys(object.programs).length
    }
    return passed(`${programs} programs of ${names.join(', ')}`, undefined)
  }
  await ask('programs', () => load(requiredObjects))
  for (const id of new Set(Object.values(checkOf))) {
    await ask(id, () => load(optionalObjects.filter((name) => checkOf[name] === id)))
  }
}

function loadObject(
  native: Native,
  path: string,
  reuse: Readonly<Record<string, number>>,
): BpfObject {
  try {
    return native.bpfLoad(path, { reuse })
  } catch (error) {
    const { message, program } = error as BpfLoadError
    if (program === '' || program === undefined || message.includes(program)) throw error
    throw new Error(`${program}: ${message}`, { cause: error })
  }
}
