import type { CommandWriter } from '../io/command-writer.ts'
import type { AcceptEvent, DoneEvent } from '../io/events.ts'
import { AcceptFlags, CloseHow } from '../io/protocol.ts'
import { type AddressWords, textOf, wordsOf } from './address.ts'
import type { Accepted, Ended, L4Commands } from './events.ts'
import { directionOf } from './served-pods.ts'

const unbound: AddressWords = [0, 0, 0, 0]

/** The flow's commands in the reactor's terms. */
export function l4Commands(writer: CommandWriter): L4Commands {
  return {
    connect(conn, attempt, leg, timeoutMs) {
      writer.connect({
        conn,
        attempt,
        netns: leg.netns,
        source: leg.source === undefined ? unbound : wordsOf(leg.source),
        destination: wordsOf(leg.destination),
        destinationPort: leg.port,
        timeoutMs,
        client: wordsOf(leg.client),
        clientPort: leg.clientPort,
        legFlags: leg.flags,
      })
    },
    reset: (conn) => writer.close(conn, CloseHow.reset),
    pair: (conn, [clientSlot, serverSlot]) => writer.pair(conn, clientSlot, serverSlot),
  }
}

/** The reactor reuses its event; what is kept is copied out of it here. */
export function acceptedOf(event: AcceptEvent): Accepted {
  const direction = directionOf(event.listener)
  const asked =
    direction === 'outbound'
      ? { address: textOf(event.origin), port: event.originPort }
      : { address: textOf(event.local), port: event.localPort }
  return {
    conn: event.conn,
    podId: event.pod,
    direction,
    originFound: direction === 'inbound' || (event.flags & AcceptFlags.originFound) !== 0,
    originFlags: event.originFlags,
    clientCookie: event.clientCookie,
    legCookie: event.legCookie,
    peer: { address: textOf(event.peer), port: event.peerPort },
    asked,
  }
}

export function endedOf(event: DoneEvent): Ended {
  const { conn, reason, errno, durationUs, firstByteUs } = event
  const { directToServerBytes, directToClientBytes } = event
  return {
    conn,
    reason,
    errno,
    receivedBytes: event.receivedBytes + directToServerBytes,
    sentBytes: event.sentBytes + directToClientBytes,
    pairedBytes: directToServerBytes + directToClientBytes,
    durationUs,
    firstByteUs,
  }
}
