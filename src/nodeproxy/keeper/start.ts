import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Scheduler } from '../time/scheduler.ts'
import type { KeeperNative } from './channel.ts'
import { connectKeeper, type KeeperConnection } from './connection.ts'
import { KEEPER_VERSION } from './protocol.ts'

/** How the keeper is started when nobody, or only an older one, answers at the socket. */
export interface KeeperProgram {
  /** build/Release/sluice-keeper. */
  readonly executable: string
  /** In a directory of the proxy's own; the file is made with mode 0600. */
  readonly socketPath: string
  /** Pinned objects; undefined leaves that part out. */
  readonly generationsPin?: string
  readonly pairControlPin?: string
  readonly queryQueuePin?: string
  readonly pairLimitBytes?: number
  readonly giveUpAfterMs?: number
  /**
   * The node's first process in proc, as `/proc/1`: the keeper leaves this container for its
   * namespaces and a cgroup of its own. Undefined: it stays where it is started.
   */
  readonly home?: string
  readonly removal?: KeeperRemoval
}

/** What the keeper takes off the node when there was no proxy for so long. */
export interface KeeperRemoval {
  readonly afterMs: number
  /** The node's pinned objects. */
  readonly pins: string
  readonly state: string
  readonly takeoverSocket: string
}

const retryMs = 10
const startTimeoutMs = 5_000

/** Where `npm run build` puts it. */
export function builtKeeper(): string {
  return fileURLToPath(new URL('../../../build/Release/sluice-keeper', import.meta.url))
}

/**
 * A connection to a keeper of this version at least: to the one that serves, or to one that is
 * started. That one is in a session of its own and outlives this process; with a home also its
 * container. Two proxies that start one at once get the same.
 *
 * @throws Error when it cannot be started or does not answer within 5 s
 */
export async function reachKeeper(
  native: KeeperNative,
  program: KeeperProgram,
  generation: number,
  scheduler: Scheduler,
  onGone: () => void,
): Promise<KeeperConnection> {
  const serving = await tryConnect(native, program.socketPath, generation, onGone)
  if (serving !== undefined) return serving
  const started = startKeeper(program)
  for (let waitedMs = 0; waitedMs < startTimeoutMs; waitedMs += retryMs) {
    const connection = await tryConnect(native, program.socketPath, generation, onGone)
    if (connection !== undefined) return connection
    if (started.failure !== undefined) throw started.failure
    await new Promise<void>((resolve) => scheduler.after(retryMs, resolve))
  }
  throw new Error(
    `the keeper ${program.executable} does not answer at ${program.socketPath} after ` +
      `${startTimeoutMs} ms; its log line says why`,
  )
}

/** Undefined: nobody, or only an older one that a newer one is to take over from. */
async function tryConnect(
  native: KeeperNative,
  socketPath: string,
  generation: number,
  onGone: () => void,
): Promise<KeeperConnection | undefined> {
  let counted = false
  let gone = false
  try {
    const connection = await connectKeeper(native, socketPath, generation, () => {
      gone = true
      if (counted) onGone()
    })
    if (isGone()) return undefined
    counted = connection.version >= KEEPER_VERSION
    if (counted) return connection
    connection.close()
    return undefined
  } catch {
    // Nobody there, one that is just ending, or one that takes over: the next attempt tells.
    return undefined
  }

  function isGone(): boolean {
    return gone
  }
}

function startKeeper(program: KeeperProgram): { readonly failure: Error | undefined } {
  const state: { failure: Error | undefined } = { failure: undefined }
  const child = spawn(program.executable, keeperArguments(program), {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['ignore', 'ignore', program.home === undefined ? 'inherit' : 'pipe'],
  })
  child.on('error', (cause) => {
    const fix = 'not built? run `npm run build`'
    state.failure = new Error(
      `cannot start the keeper ${program.executable}: ${cause.message}; ${fix}`,
      {
        cause,
      },
    )
  })
  child.on('exit', (status, signal) => {
    // Status 0: another one serves, which the caller will reach.
    if (status === 0) return
    const how = signal === null ? `status ${status}` : `signal ${signal}`
    state.failure ??= new Error(
      `the keeper ${program.executable} ended at once with ${how}; its log line says why`,
    )
  })
  relayLog(child)
  child.unref()
  return state
}

/** A runtime takes a container for ended when nobody has its log open any more. */
function relayLog({ stderr }: ChildProcess): void {
  // Undefined when no process could be made, as for lack of descriptors.
  if (!(stderr instanceof Socket)) return
  stderr.on('data', (line: Uint8Array) => process.stderr.write(line))
  stderr.on('error', () => {})
  stderr.unref()
}

function keeperArguments(program: KeeperProgram): string[] {
  const options: readonly (readonly [string, string | number | undefined])[] = [
    ['--socket', absolute(program.socketPath)],
    ['--generations', absolute(program.generationsPin)],
    ['--pair-control', absolute(program.pairControlPin)],
    ['--query-queue', absolute(program.queryQueuePin)],
    ['--pair-limit-bytes', program.pairLimitBytes],
    ['--give-up-after-ms', program.giveUpAfterMs],
    ['--home', program.home],
    ['--remove-after-ms', program.removal?.afterMs],
    ['--pins', absolute(program.removal?.pins)],
    ['--state', absolute(program.removal?.state)],
    ['--takeover', absolute(program.removal?.takeoverSocket)],
  ]
  return options.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]))
}

/** The keeper works in the root directory, so that it keeps no other busy. */
function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}
