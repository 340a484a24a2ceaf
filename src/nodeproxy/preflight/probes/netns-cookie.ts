import { type Answer, failed, passed } from '../ask.ts'
import type { ProbeSlot } from '../probe-maps.ts'
import type { Stage } from '../stage.ts'

const places: readonly (readonly [ProbeSlot, string])[] = [
  ['connect4', 'connect'],
  ['getpeername4', 'getpeername'],
  ['sockopsConnect', 'sockops'],
]
/** Without it only acceleration is off. */
const acceleration: readonly [ProbeSlot, string] = ['skMsg', 'sk_msg']

/**
 * Compares what each kind of program was told, in the probes before, with the namespace's own
 * cookie.
 */
export function probeNetnsCookie(stage: Stage, cookie: bigint): Answer<void> {
  const right = ([slot]: readonly [ProbeSlot, string]): boolean =>
    stage.seen(slot).netnsCookie === cookie
  const wrong = places.filter((place) => !right(place)).map(([, name]) => name)
  if (wrong.length > 0) return failed(`not seen in ${wrong.join(', ')}`)
  const all = right(acceleration) ? [...places, acceleration] : places
  return passed(`the same in ${all.map(([, name]) => name).join(', ')}`, undefined)
}
