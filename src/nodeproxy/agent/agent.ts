import { type CgroupTree, type PodCgroup, readCgroupTree } from './cgroup-tree.ts'
import type { AgentHandles } from './interfaces.ts'
import { netnsInode } from './netns-of-pod.ts'
import type { PodStatus } from './pod-status.ts'
import { reconcilePod, type ReconcileContext } from './reconcile.ts'
import { newRecord, type PodRecord, setState, statusOf } from './record.ts'
import { refreshOlderConnections } from './older-connections.ts'
import { type CgroupWatch, watchCgroups } from './watch.ts'
import { createWorkQueue, type WorkQueue, type WorkResult } from './work-queue.ts'

export interface AgentOptions {
  readonly handles: AgentHandles
  readonly kubepodsDir: string
  readonly procDir: string
  /** Cookie of the node's own namespace, which is known and never in the mesh. */
  readonly nodeNetnsCookie: bigint
  /** The safety net under inotify. */
  readonly rescanMs: number
  readonly onError: (error: PodError) => void
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
  pods(): readonly PodStatus[]
  /** uid of the pod behind one of our pod numbers. */
  uidOf(podId: number): string | undefined
  readonly watches: number
  readonly errors: number
  /** Resolves when all that is known so far is applied. */
  settled(): Promise<void>
  /** Stops looking. Pods stay as they are, for the next proxy. */
  close(): Promise<void>
}

/** Starts finding the pods of this node, and keeps kernel and workers in step with them. */
export function startAgent(options: AgentOptions): Agent {
  const { handles } = options
  const records = new Map<string, PodRecord>()
  let cgroups: ReadonlyMap<string, PodCgroup> = new Map()
  let nextPodId = 1
  let errors = 0
  let cleanedUp = false

  const context: ReconcileContext = {
    handles,
    procDir: options.procDir,
    nodeInode: netnsInode(`${options.procDir}/self/ns/net`),
    nowMs: Date.now,
    cgroupOf: (uid) => cgroups.get(uid),
    ownerOf: (address, except) => ownerOf(records, address, except),
    lookAgain: (uid) => queue.add(uid),
  }

  async function work(uid: string): Promise<WorkResult> {
    const record = records.get(uid) ?? newRecord(uid, nextPodId++, Date.now())
    records.set(uid, record)
    const result = await reconcilePod(context, record)
    if (cgroups.get(uid) === undefined && record.netns === undefined) records.delete(uid)
    return result
  }

  const queue: WorkQueue = createWorkQueue({
    work,
    onError(uid, error, retryInMs) {
      errors += 1
      const message = error instanceof Error ? error.message : String(error)
      const record = records.get(uid)
      // One that is in the mesh stays in it as it was: a change that fails leaves the last good state.
      if (record !== undefined && record.enrolled === undefined) {
        setState(record, 'failed', message, Date.now())
      }
      options.onError({ pod: podName(handles, uid), message, retryInMs })
    },
  })

  const watch: CgroupWatch = watchCgroups({
    onTree: () => scan(false),
    onPod: (uid) => queue.add(uid),
    onError(path, error) {
      errors += 1
      const message = `watching ${path}: ${error.message}; raise fs.inotify.max_user_watches. Until then pods are found every ${options.rescanMs} ms`
      options.onError({ pod: '', message, retryInMs: options.rescanMs })
    },
  })

  function scan(all: boolean): void {
    let tree: CgroupTree
    try {
      tree = readCgroupTree(options.kubepodsDir)
    } catch (error) {
      errors += 1
      options.onError({ pod: '', message: String(error), retryInMs: options.rescanMs })
      return
    }
    const before = cgroups
    cgroups = new Map(tree.pods.map((pod) => [pod.uid, pod]))
    watch.follow(tree)
    for (const uid of new Set([...cgroups.keys(), ...records.keys()])) {
      if (all || before.has(uid) !== cgroups.has(uid)) queue.add(uid)
    }
  }

  /** What an earlier proxy enrolled and nobody has any more. Only once all pods of the node are known. */
  async function cleanUp(): Promise<void> {
    await queue.idle()
    if (cleanedUp || !handles.enrolments.complete) return
    cleanedUp = true
    const keep = new Set<bigint>([options.nodeNetnsCookie])
    for (const { netns } of records.values()) if (netns !== undefined) keep.add(netns.cookie)
    handles.kernel.removePodsExcept(keep)
  }

  handles.kernel.excludeNetns(options.nodeNetnsCookie)
  scan(true)
  void cleanUp()
  const rescan = setInterval(() => {
    scan(true)
    for (const record of records.values()) refreshOlderConnections(record, context)
    void cleanUp()
  }, options.rescanMs)

  return {
    configurationChanged(uid) {
      if (uid === undefined) scan(true)
      else queue.add(uid)
    },
    unclassifiedSeen: () => scan(true),
    pods: () =>
      [...records.values()].map((record) => statusOf(record, handles.enrolments.get(record.uid))),
    uidOf: (podId) => [...records.values()].find((record) => record.podId === podId)?.uid,
    get watches() {
      return watch.size
    },
    get errors() {
      return errors
    },
    settled: () => queue.idle(),
    async close() {
      clearInterval(rescan)
      watch.close()
      await queue.close()
    },
  }
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
