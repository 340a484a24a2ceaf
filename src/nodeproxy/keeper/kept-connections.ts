import type { NodeLog } from '../telemetry/log.ts'
import type { Keeper } from './client.ts'
import type { KeptPair } from './codec.ts'

/** What the keeper knows of this process's connections, to carry them on when it is gone. */
export interface KeptConnections {
  tell(change: {
    readonly pairs: readonly KeptPair[]
    /** Client legs' cookies of those that it was told of, and that have ended. */
    readonly endedPairs: readonly bigint[]
    /** The same of those that it is to carry on from now on. */
    readonly leftPairs: readonly bigint[]
  }): void
  /**
   * Resolves when the keeper has answered to all that it was told.
   * @returns the connections that it would not have, since the last time
   */
  refused(): Promise<readonly bigint[]>
}

export function keepConnections(
  keeper: Pick<Keeper, 'putPair' | 'dropPair' | 'letGo'>,
  { logger }: Pick<NodeLog, 'logger'>,
): KeptConnections {
  const underWay = new Set<Promise<void>>()
  let refused: bigint[] = []

  async function put(pair: KeptPair): Promise<void> {
    try {
      await keeper.putPair(pair)
    } catch (error) {
      refused.push(pair.clientLegCookie)
      logger.debug({ error: String(error) }, 'connection not kept')
    }
  }

  async function drop(cookie: bigint): Promise<void> {
    try {
      await keeper.dropPair(cookie)
    } catch (error) {
      logger.debug({ error: String(error) }, 'end of a connection not told')
    }
  }

  async function letGo(cookies: readonly bigint[]): Promise<void> {
    try {
      await keeper.letGo(cookies)
    } catch (error) {
      // It goes on with them when this process is gone.
      logger.debug({ error: String(error) }, 'connections are carried on later')
    }
  }

  function track(call: Promise<void>): void {
    underWay.add(call)
    void call.then(() => underWay.delete(call))
  }

  return {
    tell({ pairs, endedPairs, leftPairs }) {
      for (const pair of pairs) track(put(pair))
      for (const cookie of endedPairs) track(drop(cookie))
      if (leftPairs.length > 0) track(letGo(leftPairs))
    },
    async refused() {
      await Promise.all(underWay)
      const since = refused
      refused = []
      return since
    },
  }
}
