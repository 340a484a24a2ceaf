import type { Native } from '../native.ts'
import {
  bodyOf,
  decodeHeader,
  decodeHelloReply,
  decodePod,
  encodeHello,
  encodeMessage,
  type KeptPod,
} from './codec.ts'
import { KeeperMessage, MAX_MESSAGE_BYTES, MAX_POD_FDS } from './protocol.ts'

export type KeeperNative = Pick<
  Native,
  'unixConnect' | 'unixSend' | 'unixReceive' | 'fdWatch' | 'closeFd'
>

/** The connection ended before the answer came: the request may or may not have been done. */
export class KeeperGone extends Error {}

/** The keeper answered with an errno. */
export class KeeperRefusal extends Error {
  readonly errno: number

  constructor(what: string, errno: number) {
    super(`the keeper refused ${what}: ${errnoText(errno)}`)
    this.errno = errno
  }
}

/** What one request was answered: the body, and the pods that came before it. */
export interface Answer {
  readonly body: Uint8Array
  /** Their descriptors belong to the caller. */
  readonly pods: readonly KeptPod[]
}

export interface KeeperConnection {
  readonly version: number
  readonly pid: number
  /** Descriptors must stay open until the answer is there. */
  request(type: number, what: string, body: Uint8Array, fds?: readonly number[]): Promise<Answer>
  close(): void
}

interface Pending {
  readonly what: string
  readonly pods: KeptPod[]
  resolve(answer: Answer): void
  reject(error: Error): void
}

const eagain = -11
const etoomanyrefs = -109

/**
 * Connects and greets. `onGone` is called once, also after close().
 *
 * @throws with code ENOENT or ECONNREFUSED when nobody listens at the path; KeeperGone when it closes at once
 */
export async function connectKeeper(
  native: KeeperNative,
  socketPath: string,
  generation: number,
  onGone: () => void,
): Promise<KeeperConnection> {
  const channel = openChannel(native, socketPath, onGone)
  try {
    const answer = await channel.request(KeeperMessage.hello, 'a greeting', encodeHello(generation))
    const { pid, version } = decodeHelloReply(answer.body)
    return { pid, version, request: channel.request, close: channel.close }
  } catch (error) {
    channel.close()
    throw error
  }
}

function openChannel(native: KeeperNative, socketPath: string, onGone: () => void) {
  const fd = native.unixConnect(socketPath)
  const pending = new Map<number, Pending>()
  const unsent: { message: Uint8Array; fds: readonly number[] }[] = []
  let nextRequest = 1
  let open = true

  const watch = native.fdWatch(fd, () => {
    try {
      while (open && receiveOne()) {}
      if (open) flush()
    } catch {
      close()
    }
  })

  function close(): void {
    if (!open) return
    open = false
    watch.close()
    native.closeFd(fd)
    for (const { what, pods, reject } of pending.values()) {
      for (const pod of pods) closeAll(pod.fds)
      reject(new KeeperGone(`the keeper at ${socketPath} went away during ${what}`))
    }
    pending.clear()
    onGone()
  }

  /** @returns whether more may wait */
  function receiveOne(): boolean {
    const received = native.unixReceive(fd, MAX_MESSAGE_BYTES, MAX_POD_FDS)
    if (received === undefined) return false
    if (received.message.length === 0) {
      close()
      return false
    }
    const { type, request, status } = decodeHeader(received.message)
    const asked = pending.get(request)
    if (asked === undefined) {
      closeAll(received.fds)
      return true
    }
    if (type === KeeperMessage.pod) {
      asked.pods.push(decodePod(bodyOf(received.message), received.fds))
      return true
    }
    pending.delete(request)
    if (status === 0) asked.resolve({ body: bodyOf(received.message), pods: asked.pods })
    else asked.reject(new KeeperRefusal(asked.what, -status))
    return true
  }

  /** What does not fit now is sent as answers come: a full queue is one the keeper has not read. */
  function flush(): void {
    for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
      const sent = native.unixSend(fd, next.message, next.fds)
      if (sent === eagain || sent === etoomanyrefs) return
      if (sent < 0) {
        close()
        return
      }
      unsent.shift()
    }
  }

  function closeAll(fds: readonly number[]): void {
    for (const each of fds) native.closeFd(each)
  }

  function request(
    type: number,
    what: string,
    body: Uint8Array,
    fds: readonly number[] = [],
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!open) {
        reject(new KeeperGone(`the keeper at ${socketPath} is away: cannot ask for ${what}`))
        return
      }
      const number = nextRequest++
      pending.set(number, { what, pods: [], resolve, reject })
      unsent.push({ message: encodeMessage(type, number, body), fds })
      flush()
    })
  }

  return { request, close }
}

const errnoTexts: Readonly<Record<number, string>> = {
  1: 'it does not allow that (EPERM)',
  2: 'it has no such entry (ENOENT)',
  9: 'wrong number of descriptors (EBADF)',
  11: 'another keeper is taking over (EAGAIN)',
  16: 'it is busy with the same request (EBUSY)',
  28: 'it is full (ENOSPC)',
  90: 'too large, or it is out of descriptors (EMSGSIZE)',
  93: 'it speaks another protocol; is it of another release? (EPROTONOSUPPORT)',
  95: 'it can not watch this process; share the host pid namespace (EOPNOTSUPP)',
  116: 'a descriptor is no longer the socket it was (ESTALE)',
}

function errnoText(errno: number): string {
  return errnoTexts[errno] ?? `errno ${errno}`
}
