import type { Native } from '../native.ts'
import { MAX_MESSAGE_BYTES, MAX_POD_FDS } from './protocol.ts'

export type KeeperNative = Pick<
  Native,
  'unixConnect' | 'unixSend' | 'unixReceive' | 'fdWatch' | 'closeFd'
>

/** Whole messages with descriptors, both ways, over the keeper's socket. */
export interface Channel {
  /** Descriptors must stay open until something that answers this message has come. */
  send(message: Uint8Array, fds: readonly number[]): void
  /** Nothing is received after it. */
  close(): void
}

export interface ChannelEvents {
  /** The descriptors belong to the receiver. What it throws closes the channel. */
  readonly onMessage: (message: Uint8Array, fds: readonly number[]) => void
  /** Once, whoever closed it. */
  readonly onClosed: () => void
}

const eagain = -11
const etoomanyrefs = -109

/** @throws with code ENOENT or ECONNREFUSED when nobody listens at the path */
export function openChannel(
  native: KeeperNative,
  socketPath: string,
  events: ChannelEvents,
): Channel {
  const fd = native.unixConnect(socketPath)
  const unsent: { message: Uint8Array; fds: readonly number[] }[] = []
  const state = { open: true }

  const watch = native.fdWatch(fd, () => {
    try {
      receiveAll()
      // A full queue is one that the keeper has not read: as its answers come there is room again.
      flush()
    } catch {
      close()
    }
  })

  function close(): void {
    if (!state.open) return
    state.open = false
    watch.close()
    native.closeFd(fd)
    events.onClosed()
  }

  function receiveAll(): void {
    while (state.open) {
      const received = native.unixReceive(fd, MAX_MESSAGE_BYTES, MAX_POD_FDS)
      if (received === undefined) return
      if (received.message.length === 0) close()
      else events.onMessage(received.message, received.fds)
    }
  }

  function flush(): void {
    while (state.open) {
      const next = unsent[0]
      if (next === undefined) return
      const sent = native.unixSend(fd, next.message, next.fds)
      if (sent === eagain || sent === etoomanyrefs) return
      if (sent < 0) close()
      else unsent.shift()
    }
  }

  return {
    send(message, fds) {
      unsent.push({ message, fds })
      flush()
    },
    close,
  }
}
