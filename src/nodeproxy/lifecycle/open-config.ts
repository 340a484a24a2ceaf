import { join } from 'node:path'
import { socketSource } from '../config/client.ts'
import type { ConfigStore } from '../config/interfaces.ts'
import { createStateFile } from '../config/state-file.ts'
import { createStore } from '../config/store.ts'
import { systemClock } from '../config/system-clock.ts'
import type { NodeLog } from '../telemetry/log.ts'
import type { NodeProxyOptions } from './options.ts'

/** The node's configuration: from its source, and from disk while that is away. */
export function openConfig(options: NodeProxyOptions, log: NodeLog): ConfigStore {
  const { node, network, configSocket: path, state } = options
  return createStore({
    node,
    network,
    clock: systemClock,
    source: socketSource({ node, path, clock: systemClock, random: Math.random }),
    stateFile: createStateFile(join(state, 'config.json')),
    onProblem: (message) => log.logger.warn(message),
  })
}
