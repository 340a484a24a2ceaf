import type { Native } from '../native.ts'
import type { Scheduler } from '../time/scheduler.ts'
import {
  decodeSlots,
  decodeStats,
  encodeCookie,
  encodePair,
  encodePod,
  type KeptPair,
  type KeptPod,
} from './codec.ts'
import { type Answer, type KeeperConnection, KeeperGone, KeeperRefusal } from './connection.ts'
import { KeeperMessage, type KeeperStats } from './protocol.ts'
import { type KeeperProgram, reachKeeper } from './start.ts'

/**
 * The keeper as the proxy sees it. A keeper that dies is replaced, and everything that this process put there
 * is put again; requests under way meanwhile wait for that. All reject with KeeperRefusal when the keeper
 * says no, and with the reason when no keeper can be had.
 */
export interface Keeper {
  /** Replaces what is kept of that pod. The descriptors stay the caller's, and open until dropPod(). */
  putListeners(pod: KeptPod): Promise<void>
  /** The keeper's descriptors are closed before this resolves. False: nothing was kept. */
  dropPod(uid: string): Promise<boolean>
  /** All pods kept, also by proxies before this one. Their descriptors belong to the caller. */
  list(): Promise<readonly KeptPod[]>
  /** The descriptors stay the caller's; once this process is gone the keeper forwards for the pair. */
  putPair(pair: KeptPair): Promise<void>
  /** Before the legs are closed: while the keeper has them, close(2) ends nothing. False: not kept. */
  dropPair(clientLegCookie: bigint): Promise<boolean>
  /** Slots of pair_control in use by kept pairs, also of proxies before this one: not to be given out. */
  slotsInUse(): Promise<readonly number[]>
  stats(): Promise<KeeperStats>
  /** Ends the connection. The keeper goes on, with what it has. */
  close(): void
}

export interface KeeperOptions {
  readonly native: Pick<
    Native,
    'unixConnect' | 'unixSend' | 'unixReceive' | 'fdWatch' | 'closeFd' | 'socketCookie'
  >
  readonly program: KeeperProgram
  readonly generation: number
  readonly scheduler: Scheduler
  /** The keeper died and another has everything, or none could be had (`error`; it is tried again). */
  readonly onReplaced: (error: Error | undefined) => void
}

const enoent = 2
const retryMs = 500
const attempts = 3

/** @throws Error when no keeper answers and none can be started */
export async function openKeeper(options: KeeperOptions): Promise<Keeper> {
  const pods = new Map<string, KeptPod>()
  const pairs = new Map<bigint, KeptPair>()
  let closed = false
  let current: Promise<KeeperConnection> = reachAndFill()
  await current

  function replace(): void {
    if (closed) return
    current = reachAndFill()
    current.then(
      () => options.onReplaced(undefined),
      (error: unknown) => {
        if (closed) return
        options.onReplaced(error instanceof Error ? error : new Error(String(error)))
        options.scheduler.after(retryMs, replace)
      },
    )
  }

  /** A keeper that has all that was put here. One that goes away meanwhile is replaced, a few times. */
  async function reachAndFill(): Promise<KeeperConnection> {
    const { native, program, generation, scheduler } = options
    for (let attempt = 1; ; attempt++) {
      const state = { filled: false, gone: false }
      const connection = await reachKeeper(native, program, generation, scheduler, () => {
        state.gone = true
        if (state.filled) replace()
      })
      try {
        await putAllAgain(connection)
        // Its answers and its end may have come in one go.
        if (state.gone) throw new KeeperGone(`the keeper at ${program.socketPath} went away`)
        state.filled = true
        return connection
      } catch (error) {
        connection.close()
        if (!(error instanceof KeeperGone) || attempt === attempts) throw error
      }
    }
  }

  async function putAllAgain(connection: KeeperConnection): Promise<void> {
    await Promise.all([
      ...Array.from(pods.values(), (pod) => sendPod(connection, pod)),
      ...Array.from(pairs.values(), (pair) => sendPairIfOpen(connection, pair)),
    ])
  }

  /** A leg may have been closed, and its number be another socket's, before its end is known here. */
  async function sendPairIfOpen(connection: KeeperConnection, pair: KeptPair): Promise<void> {
    try {
      if (options.native.socketCookie(pair.clientLegFd) !== pair.clientLegCookie) return
      await sendPair(connection, pair)
    } catch (error) {
      if (error instanceof KeeperGone) throw error
    }
  }

  /** Every request may be done twice, so one that a dying keeper left open is simply asked again. */
  async function ask(send: (connection: KeeperConnection) => Promise<Answer>): Promise<Answer> {
    for (;;) {
      const used = current
      try {
        return await send(await used)
      } catch (error) {
        if (closed || !(error instanceof KeeperGone) || used === current) throw error
      }
    }
  }

  async function askToDrop(type: number, what: string, body: Uint8Array): Promise<boolean> {
    try {
      await ask((connection) => connection.request(type, what, body))
      return true
    } catch (error) {
      if (error instanceof KeeperRefusal && error.errno === enoent) return false
      throw error
    }
  }

  return {
    async putListeners(pod) {
      pods.set(pod.uid, pod)
      await ask((connection) => sendPod(connection, pod))
    },
    dropPod(uid) {
      pods.delete(uid)
      const body = encodePod({ uid, alivePath: '', facts: '' })
      return askToDrop(KeeperMessage.dropPod, `dropping pod ${uid}`, body)
    },
    async list() {
      const what = 'the list of pods'
      const none = new Uint8Array(0)
      return (await ask((connection) => connection.request(KeeperMessage.list, what, none))).pods
    },
    async putPair(pair) {
      pairs.set(pair.clientLegCookie, pair)
      await ask((connection) => sendPair(connection, pair))
    },
    dropPair(clientLegCookie) {
      pairs.delete(clientLegCookie)
      const body = encodeCookie(clientLegCookie)
      return askToDrop(KeeperMessage.dropPair, `dropping pair ${clientLegCookie}`, body)
    },
    async slotsInUse() {
      const none = new Uint8Array(0)
      const answer = await ask((connection) => connection.request(KeeperMessage.slots, 'slots', none))
      return decodeSlots(answer.body)
    },
    async stats() {
      const none = new Uint8Array(0)
      const answer = await ask((connection) => connection.request(KeeperMessage.stats, 'counts', none))
      return decodeStats(answer.body)
    },
    close() {
      closed = true
      current.then(
        (connection) => connection.close(),
        () => {},
      )
    },
  }
}

function sendPod(connection: KeeperConnection, pod: KeptPod): Promise<Answer> {
  const what = `the listeners of pod ${pod.uid}`
  return connection.request(KeeperMessage.putListeners, what, encodePod(pod), pod.fds)
}

function sendPair(connection: KeeperConnection, pair: KeptPair): Promise<Answer> {
  const what = `pair ${pair.clientLegCookie}`
  const fds = [pair.clientLegFd, pair.serverLegFd]
  return connection.request(KeeperMessage.putPair, what, encodePair(pair), fds)
}
