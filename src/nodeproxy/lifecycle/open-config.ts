import { join } from 'node:path'
import type { ConfigSource } from '../../model/source.ts'
import { socketSource } from '../config/client.ts'
import { grpcSource } from '../config/grpc-source.ts'
import type { ConfigStore } from '../config/interfaces.ts'
import { createStateFile } from '../config/state-file.ts'
import { createStore } from '../config/store.ts'
import { systemClock } from '../config/system-clock.ts'
import type { ReportFeed } from '../report/report-feed.ts'
import type { NodeLog } from '../telemetry/log.ts'
import type { NodeProxyOptions } from './options.ts'

/** The node's configuration: from its source, and from disk while that is away. */
export function openConfig(
  options: NodeProxyOptions,
  log: NodeLog,
  reports: ReportFeed,
): ConfigStore {
  const { node, network, state } = options
  return createStore({
    node,
    network,
    clock: systemClock,
    source: openSource(options, reports),
    stateFile: createStateFile(join(state, 'config.json')),
    onProblem: (message) => log.logger.warn(message),
  })
}

function openSource(options: NodeProxyOptions, reports: ReportFeed): ConfigSource {
  const { node, configSocket, operator: address, operatorName, operatorCa, operatorToken } = options
  const common = { node, clock: systemClock, random: Math.random }
  if (configSocket !== undefined) return socketSource({ ...common, path: configSocket })
  if (address === undefined) throw new Error('neither --operator nor --config-socket is given')
  return grpcSource({
    ...common,
    address,
    serverName: operatorName,
    caFile: operatorCa,
    tokenFile: operatorToken,
    reports,
  })
}
