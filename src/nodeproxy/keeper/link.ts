import type { Scheduler } from '../time/scheduler.ts'
import type { KeeperNative } from './channel.ts'
import { type Answer, type KeeperConnection, KeeperGone } from './connection.ts'
import { type KeeperProgram, reachKeeper } from './start.ts'

/** A connection to a keeper that outlives the keepers at its other end. */
export interface KeeperLink {
  /**
   * Every request may be done twice, so one that a dying keeper left open is simply asked again,
   * once another keeper has what `fill` put there.
   *
   * @throws KeeperRefusal; or the reason when no keeper can be had
   */
  ask(send: (connection: KeeperConnection) => Promise<Answer>): Promise<Answer>
  process(): Promise<{ readonly pid: number; readonly version: number }>
  close(): void
}

export interface KeeperLinkOptions {
  readonly native: KeeperNative
  readonly program: KeeperProgram
  readonly generation: number
  readonly scheduler: Scheduler
  /** Puts what a keeper must have before it is asked anything. */
  readonly fill: (connection: KeeperConnection) => Promise<void>
  /** Another keeper has everything, or (`error`) none can be had; that is tried again. */
  readonly onReplaced: (error: Error | undefined) => void
}

const retryMs = 500
const attempts = 3

/** @throws Error when no keeper answers and none can be started */
export async function openKeeperLink(options: KeeperLinkOptions): Promise<KeeperLink> {
  let closed = false
  let current: Promise<KeeperConnection> = reachAndFill(options, replace)
  await current

  function replace(): void {
    if (closed) return
    current = reachAndFill(options, replace)
    current.then(
      () => options.onReplaced(undefined),
      (error: unknown) => {
        if (closed) return
        options.onReplaced(error instanceof Error ? error : new Error(String(error)))
        options.scheduler.after(retryMs, replace)
      },
    )
  }

  return {
    async ask(send) {
      for (;;) {
        const used = current
        try {
          return await send(await used)
        } catch (error) {
          if (closed || !(error instanceof KeeperGone) || used === current) throw error
        }
      }
    },
    async process() {
      const { pid, version } = await current
      return { pid, version }
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

/** A keeper that has everything. One that goes away meanwhile is replaced, a few times. */
async function reachAndFill(
  options: KeeperLinkOptions,
  onGone: () => void,
): Promise<KeeperConnection> {
  const { native, program, generation, scheduler, fill } = options
  for (let attempt = 1; ; attempt++) {
    const state = { filled: false, gone: false }
    const connection = await reachKeeper(native, program, generation, scheduler, () => {
      state.gone = true
      if (state.filled) onGone()
    })
    try {
      await fill(connection)
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
