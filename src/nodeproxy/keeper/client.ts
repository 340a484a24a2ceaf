import type { Native } from '../native.ts'
import type { Scheduler } from '../time/scheduler.ts'
import {
  decodeSlots,
  decodeStats,
  encodeCookies,
  encodePair,
  encodePatience,
  encodePod,
  type KeptPair,
  type KeptPod,
} from './codec.ts'
import { type Answer, type KeeperConnection, KeeperGone, KeeperRefusal } from './connection.ts'
import { openKeeperLink } from './link.ts'
import { KeeperMessage, type KeeperStats } from './protocol.ts'
import type { KeeperProgram } from './start.ts'

/**
 * The keeper as the proxy sees it. A keeper that dies is replaced, and everything that this process
 * put there is put again; requests under way meanwhile wait for that. All reject with KeeperRefusal
 * when the keeper says no, and with the reason when no keeper can be had.
 */
export interface Keeper {
  /**
   * Replaces what is kept of that pod. The descriptors stay the caller's, and open until dropPod().
   */
  putListeners(pod: KeptPod): Promise<void>
  /** The keeper's descriptors are closed before this resolves. False: nothing was kept. */
  dropPod(uid: string): Promise<boolean>
  /**
   * What is kept stays there, and is a successor's: should the keeper be replaced, this process
   * does not put its listeners again, so it may close them.
   */
  leavePods(): void
  /** All pods kept, also by proxies before this one. Their descriptors belong to the caller. */
  list(): Promise<readonly KeptPod[]>
  /**
   * The descriptors stay the caller's; once this process is gone the keeper forwards for the pair.
   */
  putPair(pair: KeptPair): Promise<void>
  /**
   * Before the legs are closed: while the keeper has them, close(2) ends nothing. False: not kept.
   */
  dropPair(clientLegCookie: bigint): Promise<boolean>
  /**
   * The legs of these pairs are closed here: the keeper forwards for them from now on, whether this
   * process lives or not.
   */
  letGo(clientLegCookies: readonly bigint[]): Promise<void>
  /**
   * Slots of pair_control in use by kept pairs, also of proxies before this one: not to be given
   * out.
   */
  slotsInUse(): Promise<readonly number[]>
  stats(): Promise<KeeperStats>
  /** The process that answers now. */
  process(): Promise<{ readonly pid: number; readonly version: number }>
  /** Ends the connection. The keeper goes on, with what it has. */
  close(): void
}

export interface KeeperOptions {
  readonly native: KeeperClientNative
  readonly program: KeeperProgram
  readonly generation: number
  readonly scheduler: Scheduler
  /** Another keeper has everything, or (`error`) none can be had; that is tried again. */
  readonly onReplaced: (error: Error | undefined) => void
}

type KeeperClientNative = Pick<
  Native,
  'unixConnect' | 'unixSend' | 'unixReceive' | 'fdWatch' | 'closeFd' | 'socketCookie'
>

const enoent = 2
const nothing = new Uint8Array(0)

/** @throws Error when no keeper answers and none can be started */
export async function openKeeper(options: KeeperOptions): Promise<Keeper> {
  const pods = new Map<string, KeptPod>()
  const pairs = new Map<bigint, KeptPair>()
  const link = await openKeeperLink({
    ...options,
    async fill(connection) {
      await tellPatience(connection, options.program)
      await putAll(options.native, connection, pods, pairs)
    },
  })

  function ask(type: number, what: string, body: Uint8Array): Promise<Answer> {
    return link.ask((connection) => connection.request(type, what, body))
  }

  async function drop(type: number, what: string, body: Uint8Array): Promise<boolean> {
    try {
      await ask(type, what, body)
      return true
    } catch (error) {
      if (error instanceof KeeperRefusal && error.errno === enoent) return false
      throw error
    }
  }

  return {
    async putListeners(pod) {
      pods.set(pod.uid, pod)
      await link.ask((connection) => sendPod(connection, pod))
    },
    leavePods: () => pods.clear(),
    dropPod(uid) {
      pods.delete(uid)
      const body = encodePod({ uid, alivePath: '', facts: '' })
      return drop(KeeperMessage.dropPod, `dropping pod ${uid}`, body)
    },
    async list() {
      return (await ask(KeeperMessage.list, 'the list of pods', nothing)).pods
    },
    async putPair(pair) {
      pairs.set(pair.clientLegCookie, pair)
      await link.ask((connection) => sendPair(connection, pair))
    },
    dropPair(cookie) {
      pairs.delete(cookie)
      return drop(KeeperMessage.dropPair, `dropping pair ${cookie}`, encodeCookies([cookie]))
    },
    async letGo(cookies) {
      for (const cookie of cookies) pairs.delete(cookie)
      const body = encodeCookies(cookies)
      await ask(KeeperMessage.letGo, `to carry on ${cookies.length} pairs`, body)
    },
    async slotsInUse() {
      return decodeSlots((await ask(KeeperMessage.slots, 'the slots in use', nothing)).body)
    },
    async stats() {
      return decodeStats((await ask(KeeperMessage.stats, 'its counts', nothing)).body)
    },
    process: () => link.process(),
    close() {
      link.close()
    },
  }
}

/** One that serves already was started with what an earlier proxy was told. */
async function tellPatience(
  connection: KeeperConnection,
  { giveUpAfterMs, removal }: KeeperProgram,
): Promise<void> {
  if (giveUpAfterMs === undefined) return
  const body = encodePatience(giveUpAfterMs, removal?.afterMs ?? 0)
  await connection.request(KeeperMessage.patience, 'how long it is to wait', body)
}

async function putAll(
  native: KeeperClientNative,
  connection: KeeperConnection,
  pods: ReadonlyMap<string, KeptPod>,
  pairs: ReadonlyMap<bigint, KeptPair>,
): Promise<void> {
  await Promise.all([
    ...Array.from(pods.values(), (pod) => sendPod(connection, pod)),
    ...Array.from(pairs.values(), (pair) => sendPairIfOpen(native, connection, pair)),
  ])
}

/** A leg may be closed, and its number be another socket's, before its end is known here. */
async function sendPairIfOpen(
  native: KeeperClientNative,
  connection: KeeperConnection,
  pair: KeptPair,
): Promise<void> {
  try {
    if (native.socketCookie(pair.clientLegFd) !== pair.clientLegCookie) return
    await sendPair(connection, pair)
  } catch (error) {
    if (error instanceof KeeperGone) throw error
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
