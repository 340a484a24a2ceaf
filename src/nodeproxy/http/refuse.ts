import { encodeHeaderLines } from '../codecs/edits.ts'
import type { HttpCommandWriter } from '../io/http-commands.ts'
import { AttemptReason, MessageError } from '../io/protocol.ts'
import { describeErrno } from '../l4/errno.ts'
import { type Refusal, refusals, refuse } from '../policy/refusal.ts'
import type { Exchange } from './exchange.ts'

/**
 * The one place that writes refusals: a short body in words, and what it was for in telemetry
 * alone, since clients need not know the mesh's insides.
 */
export function answerRefusal(
  commands: Pick<HttpCommandWriter, 'respond'>,
  exchange: Exchange,
  refusal: Refusal,
): void {
  exchange.refusal = refusal
  const { status, reason } = refusals[refusal.kind]
  const { set = [], add = [] } = exchange.decision?.responseEdits ?? {}
  const own = `date: ${new Date().toUTCString()}\r\ncontent-type: text/plain\r\n`
  const fields = own + encodeHeaderLines([...set, ...add])
  commands.respond(exchange.stream, status, fields, `sluice: ${reason}\n`, false)
}

/** Why an attempt failed, as a refusal of the request. */
export function refusalOfAttempt(reason: number, error: number, subject: string): Refusal {
  switch (reason) {
    case AttemptReason.connectFailed:
      return refuse('connectFailed', `${subject}: ${describeErrno(error)}`)
    case AttemptReason.timeout:
      return refuse('upstreamTimeout', subject)
    case AttemptReason.badResponse:
      return refuse('badResponse', `${subject}: ${messageErrorName(error)}`)
    case AttemptReason.tooLarge:
      return refuse('headTooLarge', subject)
    default:
      return refuse('upstreamReset', `${subject}: ${describeErrno(error)}`)
  }
}

const names = new Map<number, string>(
  Object.entries(MessageError).map(([name, value]) => [value, name]),
)

/** MessageError's name, in the words of the sources. */
export function messageErrorName(error: number): string {
  return names.get(error) ?? `error ${error}`
}
