import { join } from 'node:path'
import { type Agent, startAgent } from '../agent/agent.ts'
import { netnsInode } from '../agent/netns-of-pod.ts'
import type { ConfigStore } from '../config/interfaces.ts'
import { type Keeper, openKeeper } from '../keeper/client.ts'
import { type KeptConnections, keepConnections } from '../keeper/kept-connections.ts'
import { type KeptListeners, openKeptListeners } from '../keeper/listener-store.ts'
import { builtKeeper, type KeeperRemoval } from '../keeper/start.ts'
import { layoutVersion } from '../kernel/abi.ts'
import { layoutDir, nodeDir, pinPaths } from '../kernel/pins.ts'
import { ListenerReason } from '../io/protocol.ts'
import type { ReportSupply } from '../report/report-feed.ts'
import type { IstioMetrics } from '../telemetry/registry.ts'
import type { NodeLog } from '../telemetry/log.ts'
import { realTime } from '../time/scheduler.ts'
import { createPublisher, type Publisher } from '../upstream/publisher.ts'
import { workerAudience } from './audience.ts'
import type { Generation } from './generation.ts'
import type { NodeProxyOptions } from './options.ts'
import type { Phases } from './phases.ts'
import type { WorkerReport } from './worker-messages.ts'
import { startWorkers, type WorkerPool } from './worker-pool.ts'
import { workerOptions } from './worker-settings.ts'
import type { WorkerThread } from './worker-threads.ts'
import { zoneOfNode } from './zone.ts'

/** What the process is made of, in the order in which it is opened. */
export interface Base extends Generation {
  readonly options: NodeProxyOptions
  readonly log: NodeLog
  readonly phases: Phases
  readonly store: ConfigStore
  readonly reportSupply: ReportSupply
}

export interface Parts extends Base {
  readonly keeper: Keeper
  readonly kept: KeptConnections
  readonly pool: WorkerPool
  readonly publisher: Publisher
  readonly agent: Agent
  /** Its library costs a restart more than it has: loaded when the node is served already. */
  readonly late: { istio?: IstioMetrics }
  /** The last report of each worker. */
  readonly reports: readonly WorkerReport[]
}

const rescanMs = 5_000

/** @param onFatal something without which the process cannot serve has ended */
export async function openParts(
  base: Base,
  threads: readonly WorkerThread[],
  undo: AsyncDisposableStack,
  onFatal: (error: Error) => void,
): Promise<Parts> {
  const { options, log, native, kernel, generation, store, phases } = base
  const late: Parts['late'] = {}
  const reports: WorkerReport[] = []
  const keeper = await reachKeeper(base)
  undo.defer(() => keeper.close())
  const agents: Agent[] = []
  const listeners = await openKeptListeners({
    native,
    keeper,
    alivePathOf: (uid) => agents[0]?.cgroupDirOf(uid) ?? '',
  })
  const kept = keepConnections(keeper, log)
  const slotsInUse = await keeper.slotsInUse()
  phases.end('keeper')
  const publishers: Publisher[] = []
  const pool = await startWorkers(
    threads,
    workerOptions(options, kernel, generation, store.tables.settings, slotsInUse),
    {
      onAsk: (worker, ip, podUid) => publishers[0]?.ask(worker, ip, podUid),
      onReport(worker, report) {
        reports[worker] = report
        late.istio?.add(report.series)
        late.istio?.addRequests(report.requests)
        log.writeLines(report.accessLines)
        store.touch(report.usedAddresses)
        kept.tell(report)
      },
      onListener(worker, event) {
        log.logger.warn({ worker, ...event }, 'listener trouble')
        if (event.reason === ListenerReason.failed) agents[0]?.listenerFailed(event.podId)
      },
      onNetnsFailed: (worker, event) => log.logger.warn({ worker, ...event }, 'no socket in pod'),
      onFault: (worker, event) => log.logger.error({ worker, ...event }, 'a connection was lost'),
      onDied: (_worker, error) => onFatal(error),
    },
  )
  phases.end('workers')
  undo.defer(() => pool.close())
  const publisher = createPublisher({
    store,
    workers: Array.from(
      { length: pool.size },
      (_, index) => (message) => pool.send(index, message),
    ),
    node: options.node,
    zone: () => zoneOfNode(store.tables),
  })
  undo.defer(() => publisher.close())
  publishers.push(publisher)
  // Before the agent has any pod served.
  publisher.preload()
  const nodeNetns = await openNodeNetns(base)
  const agent = openAgent(base, { pool, publisher, listeners, nodeNetns })
  undo.defer(() => agent.close())
  agents.push(agent)
  return { ...base, keeper, kept, pool, publisher, agent, late, reports }
}

function reachKeeper({ options, native, generation, log, kernel }: Base): Promise<Keeper> {
  const nodePins = nodeDir(options.bpffs, options.node)
  const pins = pinPaths(layoutDir(nodePins, layoutVersion))
  return openKeeper({
    native,
    program: {
      executable: builtKeeper(),
      socketPath: options.keeperSocket,
      generationsPin: join(pins.maps, 'generations'),
      pairControlPin: join(pins.maps, 'pair_control'),
      queryQueuePin: join(pins.programs, 'query_queue'),
      pairLimitBytes: kernel.settings().pairLimitBytes,
      giveUpAfterMs: options.giveUpAfterMs,
      ...(options.keeperHome === undefined ? {} : { home: options.keeperHome }),
      ...removalOf(options, nodePins),
    },
    generation,
    scheduler: realTime,
    onReplaced(error) {
      if (error === undefined) log.logger.warn('the keeper was replaced; it has everything again')
      else
        log.logger.error({ error: error.message }, 'no keeper: a restart would refuse connections')
    },
  })
}

function removalOf(
  { removeAfterSeconds, state, takeoverSocket, keeperSocket }: NodeProxyOptions,
  pins: string,
): { readonly removal?: KeeperRemoval } {
  if (removeAfterSeconds === undefined) return {}
  const afterMs = removeAfterSeconds * 1_000
  return { removal: { afterMs, pins, state, takeoverSocket: takeoverSocket ?? keeperSocket } }
}

function openAgent(
  { options, native, kernel, store, log, reportSupply }: Base,
  parts: {
    readonly pool: WorkerPool
    readonly publisher: Publisher
    readonly listeners: KeptListeners
    readonly nodeNetns: NodeNetns
  },
): Agent {
  const { pool, publisher, listeners, nodeNetns } = parts
  return startAgent({
    handles: {
      native,
      kernel,
      listeners,
      audience: workerAudience(pool, publisher, kernel.settings().acceleration),
      enrolments: store,
    },
    kubepodsDir: options.kubepods,
    procDir: options.proc,
    nodeNetnsInode: nodeNetns.inode,
    nodeNetnsCookie: nodeNetns.cookie,
    rescanMs,
    onError: (error) => log.logger.warn(error, 'pod is not as it should be'),
    onState(status) {
      log.logger.info(status, `pod is ${status.state}`)
      reportSupply.changed()
    },
  })
}

interface NodeNetns {
  readonly inode: bigint
  readonly cookie: bigint
}

async function openNodeNetns({ native, options }: Base): Promise<NodeNetns> {
  const path = options.nodeNetns ?? `${options.proc}/self/ns/net`
  const fd = native.netnsOpen(path)
  try {
    return { inode: netnsInode(path), cookie: (await native.netnsInspect(fd)).cookie }
  } finally {
    native.closeFd(fd)
  }
}
