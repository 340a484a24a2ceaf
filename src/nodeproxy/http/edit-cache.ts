import type { HttpHeaderEdits } from '../../model/http-routes.ts'
import { encodeEdits, type HeaderEdits } from '../codecs/edits.ts'
import type { ForwardDecision } from '../route/decision.ts'

/** What the engine is told to change of a request and of its response. */
export type EncodeDecision = (decision: ForwardDecision) => Uint8Array | undefined

/** None is remembered as such, too. */
interface Encoded {
  readonly bytes: Uint8Array | undefined
}

/** The edits of a rule are the same objects for all its requests: they are encoded once. */
export function createEditCache(): EncodeDecision {
  const known = new WeakMap<object, WeakMap<object, Encoded>>()
  return (decision) => {
    const { target, authority, requestEdits, responseEdits } = decision
    const encode = () =>
      encodeEdits({
        target,
        authority,
        request: asEngine(requestEdits),
        response: asEngine(responseEdits),
      })
    if (target !== undefined || authority !== undefined) return encode()
    const ofRequest = known.get(requestEdits) ?? new WeakMap<object, Encoded>()
    known.set(requestEdits, ofRequest)
    const encoded = ofRequest.get(responseEdits) ?? { bytes: encode() }
    ofRequest.set(responseEdits, encoded)
    return encoded.bytes
  }
}

/** The engine finds names in lower case; what it adds is written as it is given. */
function asEngine({ remove, set, add }: HttpHeaderEdits): HeaderEdits {
  const replaced = set.map(({ name }) => name.toLowerCase())
  return { remove: [...remove, ...replaced], set: [], add: [...set, ...add] }
}
