import { type KeeperNative, openChannel } from './channel.ts'
import {
  bodyOf,
  decodeHeader,
  decodeHelloReply,
  decodePod,
  encodeHello,
  encodeMessage,
  type KeptPod,
} from './codec.ts'
import { KeeperMessage } from './protocol.ts'

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
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/**
 * Connects and greets. `onGone` is called once, also after close().
 *
 * @throws with code ENOENT or ECONNREFUSED when nobody listens at the path; KeeperGone when it
 * closes at once
 */
export async function connectKeeper(
  native: KeeperNative,
  socketPath: string,
  generation: number,
  onGone: () => void,
): Promise<KeeperConnection> {
  const asking = openRequests(native, socketPath, onGone)
  try {
    const answer = await asking.request(KeeperMessage.hello, 'a greeting', encodeHello(generation))
    return { ...decodeHelloReply(answer.body), ...asking }
  } catch (error) {
    asking.close()
    throw error
  }
}

/** Numbers requests, and gives each its answer. */
function openRequests(
  native: KeeperNative,
  socketPath: string,
  onGone: () => void,
): Pick<KeeperConnection, 'request' | 'close'> {
  const pending = new Map<number, Pending>()
  let nextRequest = 1
  let open = true
  const channel = openChannel(native, socketPath, {
    onMessage(message, fds) {
      if (!deliver(pending, message, fds)) closeAll(native, fds)
    },
    onClosed() {
      open = false
      for (const { what, pods, reject } of pending.values()) {
        for (const pod of pods) closeAll(native, pod.fds)
        reject(new KeeperGone(`the keeper at ${socketPath} went away during ${what}`))
      }
      pending.clear()
      onGone()
    },
  })
  return {
    request: (type, what, body, fds = []) =>
      new Promise((resolve, reject) => {
        if (!open) {
          reject(new KeeperGone(`the keeper at ${socketPath} is away: cannot ask for ${what}`))
          return
        }
        const number = nextRequest++
        pending.set(number, { what, pods: [], resolve, reject })
        channel.send(encodeMessage(type, number, body), fds)
      }),
    close: () => channel.close(),
  }
}

/** @returns whether somebody has taken the descriptors */
function deliver(
  pending: Map<number, Pending>,
  message: Uint8Array,
  fds: readonly number[],
): boolean {
  const { type, request, status } = decodeHeader(message)
  const asked = pending.get(request)
  if (asked === undefined) return false
  if (type === KeeperMessage.pod) {
    asked.pods.push(decodePod(bodyOf(message), fds))
    return true
  }
  pending.delete(request)
  if (status === 0) asked.resolve({ body: bodyOf(message), pods: asked.pods })
  else asked.reject(new KeeperRefusal(asked.what, -status))
  return false
}

function closeAll(native: KeeperNative, fds: readonly number[]): void {
  for (const fd of fds) native.closeFd(fd)
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
