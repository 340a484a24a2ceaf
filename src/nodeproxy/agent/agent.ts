import { type CgroupTree, type PodCgroup, readCgroupTree } from './cgroup-tree.ts'
import type { AgentHandles } from './interfaces.ts'
import { closeListeners } from './listeners.ts'
import type { PodStatus } from './pod-status.ts'
import { reconcilePod, type ReconcileContext } from './reconcile.ts'
import { newRecord, type PodRecord, setState, statusOf } from './record.ts'
import { refreshOlderConnections } from './older-connections.ts'
import { realTime } from '../time/scheduler.ts'
import { type CgroupWatch, watchCgroups } from './watch.ts'
import { withdrawable } from './withdraw.ts'
import { createWorkQueue, type WorkQueue, type WorkResult } from './work-queue.ts'

export interface AgentOptions {
  readonly handles: AgentHandles
  readonly kubepodsDir: string
  readonly procDir: string
  /** Inode and cookie of the node's own network namespace, which is known and never in the mesh. */
  readonly nodeNetnsInode: bigint
  readonly nodeNetnsCookie: bigint
  /** The safety net under inotify. */
  readonly rescanMs: number
  readonly onError: (error: PodError) => void
  /** A pod has come into another state. */
  readonly onState: (status: PodStatus) => void
}

export interface PodError {
  readonly pod: string
  readonly message: string
  readonly retryInMs: number
}

export interface Agent {
  /** Configuration of this pod changed; without a uid, of any. */
  configurationChanged(uid?: string): void
  /** The kernel saw a connect from a namespace that nobody classified. */
  unclassifiedSeen(): void
  /** A worker cannot accept from a listener of this pod. */
  listenerFailed(podId: number): void
  pods(): readonly PodStatus[]
  readonly watches: number
  readonly errors: number
  /** Resolves when all that is known so far is applied. */
  settled(): Promise<void>
  /** The pod's cgroup directory; empty when it has none now. */
  cgroupDirOf(uid: string): string
  /** Takes every pod out of the mesh, for good. Resolves when new connections of all go direct. */
  withdraw(): Promise<void>
  /** Stops looking. Pods stay as they are, for the next proxy. */
  close(): Promise<void>
  /**
   * After close(), and when no worker accepts any more: the keeper alone holds the listeners then.
   */
  releaseDescriptors(): void
}

const scanDelayMs = 20

/** Everything the agent remembers. Its functions below are the only ones that change it. */
interface State {
  readonly options: AgentOptions
  readonly records: Map<string, PodRecord>
  cgroups: ReadonlyMap<string, PodCgroup>
  nextPodId: number
  errors: number
  cleanedUp: boolean
  scanPending: boolean
  treePending: boolean
  counting: boolean
  closed: boolean
  readonly context: ReconcileContext
  readonly queue: WorkQueue
  readonly watch: CgroupWatch
}

/** Starts finding the pods of this node, and keeps kernel and workers in step with them. */
export function startAgent(given: AgentOptions): Agent {
  const enrolments = withdrawable(given.handles.enrolments)
  const handles = { ...given.handles, enrolments }
  const options = { ...given, handles }
  const state = newState(options)
  handles.kernel.excludeNetns(options.nodeNetnsCookie)
  scan(state, 'all')
  void cleanUp(state)
  const rescan = setInterval(() => {
    scan(state, 'all')
    void countOlder(state)
    void cleanUp(state)
  }, options.rescanMs)
  return {
    configurationChanged(uid) {
      if (uid === undefined) scan(state, 'all')
      else state.queue.add(uid)
    },
    unclassifiedSeen: () => scanSoon(state),
    listenerFailed(podId) {
      for (const record of state.records.values())
        if (record.podId === podId) state.queue.add(record.uid)
    },
    pods: () =>
      [...state.records.values()].map((record) =>
        statusOf(record, handles.enrolments.get(record.uid)),
      ),
    get watches() {
      return state.watch.size
    },
    get errors() {
      return state.errors
    },
    settled: () => state.queue.idle(),
    cgroupDirOf: (uid) => state.cgroups.get(uid)?.dir ?? '',
    async withdraw() {
      enrolments.withdraw()
      scan(state, 'all')
      await withdrawn(state)
    },
    async close() {
      clearInterval(rescan)
      state.closed = true
      state.watch.close()
      await state.queue.close()
    },
    releaseDescriptors() {
      for (const record of state.records.values()) releaseRecord(handles, record)
    },
  }
}

/** Pods that leave are looked at again after a grace; what failed is tried again as well. */
async function withdrawn(state: State): Promise<void> {
  const inMesh = (): boolean => [...state.records.values()].some(({ enrolled }) => enrolled)
  await state.queue.idle()
  while (inMesh() && !state.closed) {
    await new Promise<void>((resolve) => realTime.after(scanDelayMs, resolve))
    await state.queue.idle()
  }
}

function newState(options: AgentOptions): State {
  const { handles, procDir } = options
  const records = new Map<string, PodRecord>()
  const state: State = {
    options,
    records,
    cgroups: new Map(),
    nextPodId: 1,
    errors: 0,
    cleanedUp: false,
    scanPending: false,
    treePending: false,
    counting: false,
    closed: false,
    context: {
      handles,
      procDir,
      nodeInode: options.nodeNetnsInode,
      nowMs: Date.now,
      cgroupOf: (uid) => state.cgroups.get(uid),
      ownerOf: (address, except) => ownerOf(records, address, except),
      lookAgain: (uid) => state.queue.add(uid),
      listenersLost: (uid) => told(state, uid, destroyed),
      steeredElsewhere: (uid) => told(state, uid, displaced),
      olderStay: (uid, why) => told(state, uid, olderWords(why)),
    },
    queue: createWorkQueue({
      work: (uid) => work(state, uid),
      onError: (uid, error, retryInMs) => workFailed(state, uid, error, retryInMs),
      maxRetryMs: 2_000,
    }),
    watch: watchCgroups({
      onTree: () => treeChanged(state),
      onPod: (uid) => state.queue.add(uid),
      onError: (path, error) => watchFailed(state, path, error),
    }),
  }
  return state
}

async function work(state: State, uid: string): Promise<WorkResult> {
  const { records } = state
  const record = records.get(uid) ?? newRecord(uid, state.nextPodId++, Date.now())
  records.set(uid, record)
  const before = record.state
  const result = await reconcilePod(state.context, record)
  if (record.state !== before) {
    state.options.onState(statusOf(record, state.options.handles.enrolments.get(uid)))
  }
  if (!state.cgroups.has(uid) && record.netns === undefined) records.delete(uid)
  return result
}

function workFailed(state: State, uid: string, error: unknown, retryInMs: number): void {
  const message = error instanceof Error ? error.message : String(error)
  const record = state.records.get(uid)
  state.errors += 1
  // One that is in the mesh stays in it as it was: a change that fails leaves the last good state.
  if (record !== undefined && record.enrolled === undefined) {
    setState(record, 'failed', message, Date.now())
  }
  state.options.onError({ pod: podName(state.options.handles, uid), message, retryInMs })
}

const destroyed =
  'its listeners were destroyed (root with NET_ADMIN in the pod can, by `ss -K`): making new ones'
const displaced =
  'its connections came to listeners of another generation of the proxy, or to none: to these again'

const olderWords = (why: string): string =>
  `connections older than its enrolment could not be reset: ${why}; ` +
  'they stay outside of the mesh until the app makes them anew, as after a restart of the pod'

function told(state: State, uid: string, message: string): void {
  state.errors += 1
  state.options.onError({ pod: podName(state.options.handles, uid), message, retryInMs: 0 })
}

function watchFailed(state: State, path: string, error: Error): void {
  const { rescanMs } = state.options
  const until = `until then pods are found every ${rescanMs} ms`
  const message = `watching ${path}: ${error.message}; raise fs.inotify.max_user_watches, ${until}`
  troubled(state, message)
}

/** A pod that nobody knows may connect thousands of times a second: one look serves them all. */
function scanSoon(state: State): void {
  if (state.scanPending) return
  state.scanPending = true
  realTime.after(scanDelayMs, () => {
    state.scanPending = false
    scan(state, 'all')
  })
}

/** Many pods that come or go in one turn of the event loop are found by one look at the tree. */
function treeChanged(state: State): void {
  if (state.treePending) return
  state.treePending = true
  setImmediate(() => {
    state.treePending = false
    scan(state, 'changed')
  })
}

async function countOlder(state: State): Promise<void> {
  if (state.counting) return
  state.counting = true
  try {
    await refreshOlderConnections(state.records.values(), state.context)
  } catch (error) {
    troubled(state, `counting older connections: ${String(error)}`)
  }
  state.counting = false
}

/** Reads the tree; looks at all pods, or at those that came or went. */
function scan(state: State, which: 'all' | 'changed'): void {
  if (state.closed) return
  const { options, records, queue, watch } = state
  let tree: CgroupTree
  try {
    tree = readCgroupTree(options.kubepodsDir)
  } catch (error) {
    troubled(state, String(error))
    return
  }
  const before = state.cgroups
  state.cgroups = new Map(tree.pods.map((pod) => [pod.uid, pod]))
  watch.follow(tree)
  for (const uid of new Set([...state.cgroups.keys(), ...records.keys()])) {
    if (which === 'all' || before.has(uid) !== state.cgroups.has(uid)) queue.add(uid)
  }
}

/**
 * What an earlier proxy enrolled and nobody has any more. Only once all pods of the node are known.
 */
async function cleanUp(state: State): Promise<void> {
  const { handles, nodeNetnsCookie } = state.options
  await state.queue.idle()
  if (state.cleanedUp || !handles.enrolments.complete) return
  state.cleanedUp = true
  const keep = new Set<bigint>([nodeNetnsCookie])
  for (const { netns } of state.records.values()) if (netns !== undefined) keep.add(netns.cookie)
  try {
    handles.kernel.removePodsExcept(keep)
    await handles.listeners.dropUntaken()
  } catch (error) {
    // The next look at the tree tries again what is left.
    state.cleanedUp = false
    troubled(state, `removing pods that ended before this start: ${String(error)}`)
  }
}

/** Trouble of no single pod: it is told, and tried again with the next look at the tree. */
function troubled(state: State, message: string): void {
  const { options } = state
  state.errors += 1
  options.onError({ pod: '', message, retryInMs: options.rescanMs })
}

function releaseRecord({ native }: AgentHandles, record: PodRecord): void {
  if (record.enrolled !== undefined) closeListeners(native, record.enrolled.listeners)
  if (record.netns !== undefined) native.closeFd(record.netns.fd)
  record.enrolled = undefined
  record.netns = undefined
}

function ownerOf(
  records: ReadonlyMap<string, PodRecord>,
  address: string,
  except: string,
): string | undefined {
  for (const { uid, enrolled } of records.values()) {
    const held = uid === except ? undefined : enrolled?.addresses
    if (held?.ipv4 === address || held?.ipv6 === address) return uid
  }
  return undefined
}

function podName(handles: AgentHandles, uid: string): string {
  const enrolment = handles.enrolments.get(uid)
  return enrolment === undefined ? uid : `${enrolment.namespace}/${enrolment.name}`
}
