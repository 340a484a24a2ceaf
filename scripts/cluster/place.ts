import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/lab/process/wait.ts'
import {
  foldersOf,
  type Hierarchy,
  kill,
  makeEverywhere,
  processesIn,
  unifiedFolder,
} from './cgroups.ts'
import { clusterCgroup, clusterPaths } from './names.ts'

/** A machine of the cluster, seen from outside: where its processes are. */
export interface Place {
  readonly cluster: string
  /** `control` or a node's name. */
  readonly machine: string
  readonly hierarchies: readonly Hierarchy[]
  /** Its first process, on this machine. */
  readonly init: number
  /** A node has namespaces of its own for everything; the control plane for its network. */
  readonly isNode: boolean
}

/** A long-running program of a machine. */
export interface Service {
  /** Names its cgroup and its log. */
  readonly name: string
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export function machineCgroup(cluster: string, machine: string): string {
  return join(clusterCgroup(cluster), machine)
}

export function netnsOf({ init }: Pick<Place, 'init'>): string {
  return `/proc/${init}/ns/net`
}

/** The argument vector that runs a command on the machine, with all of its namespaces. */
export function enterArgv(place: Place, argv: readonly string[]): string[] {
  const namespaces = place.isNode ? ['--mount', '--pid', '--uts', '--cgroup'] : []
  return ['nsenter', '--target', `${place.init}`, '--net', ...namespaces, '--', ...argv]
}

/**
 * Finds a machine by its first process.
 * @returns undefined when the machine does not run
 */
export function findPlace(
  cluster: string,
  machine: string,
  hierarchies: readonly Hierarchy[],
): Place | undefined {
  const scope = join(machineCgroup(cluster, machine), 'init.scope')
  const init = processesIn(unifiedFolder(scope, hierarchies)).find((pid) => nameOf(pid) === 'pause')
  if (init === undefined) return undefined
  return { cluster, machine, hierarchies, init, isNode: machine !== 'control' }
}

export function serviceCgroup(place: Place, name: string): string {
  return join(machineCgroup(place.cluster, place.machine), `system.slice/${name}.service`)
}

export function logFile(place: Pick<Place, 'cluster' | 'machine'>, service: string): string {
  return join(clusterPaths(place.cluster).logs, `${place.machine}-${service}.log`)
}

/** Starts a service that outlives us; what it says goes to its log. */
export function startService(place: Place, { name, argv, env = {} }: Service): void {
  const cgroup = serviceCgroup(place, name)
  makeEverywhere(cgroup, place.hierarchies)
  startDetached({
    cgroups: foldersOf(cgroup, place.hierarchies),
    argv: enterArgv(place, argv),
    log: logFile(place, name),
    env,
  })
}

export interface DetachedCommand {
  /** Folders that it joins first. */
  readonly cgroups: readonly string[]
  readonly argv: readonly string[]
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

const joinAndRun =
  'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift; exec "$@"'

/** @returns its process id */
export function startDetached({ cgroups, argv, log, env, stdin }: DetachedCommand): number {
  const output = openSync(log, 'a')
  const child = spawn('sh', ['-c', joinAndRun, 'sh', ...cgroups, '--', ...argv], {
    detached: true,
    cwd: '/',
    // None of ours: settings of the user who starts a cluster are no settings of its machines.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', output, output],
  })
  closeSync(output)
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  child.stdin?.end(stdin)
  child.unref()
  if (child.pid === undefined) throw new Error('sh cannot be started: is this machine sound?')
  return child.pid
}

/**
 * The service's own process, by the name of its program; what it started itself (containers' shims)
 * is not it.
 */
export function serviceProcess(place: Place, name: string): number | undefined {
  const folder = unifiedFolder(serviceCgroup(place, name), place.hierarchies)
  // The kernel keeps 15 characters of a name.
  return processesIn(folder).find((pid) => nameOf(pid) === name.slice(0, 15))
}

/** Ends the service's own process alone, as an init system does that lets containers live on. */
export async function stopService(
  place: Place,
  name: string,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<void> {
  const pid = serviceProcess(place, name)
  if (pid === undefined) return
  kill(pid, signal)
  // A zombie's other threads may still hold its sockets: only its parent's wait(2) says the end.
  await waitFor(`${name} of ${place.machine} to end`, () => !existsSync(`/proc/${pid}`), 60_000)
}

/** The last lines of a service's log, for errors. */
export function logTail(place: Pick<Place, 'cluster' | 'machine'>, service: string): string {
  try {
    const lines = readFileSync(logFile(place, service), 'utf8').trim().split('\n')
    return lines.slice(-12).join('\n')
  } catch {
    return 'it wrote no log'
  }
}

/** Undefined for a process that is gone, or that only its parent still knows. */
function nameOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    if (/^State:\s+[ZX]/m.test(status)) return undefined
    return /^Name:\s+(.*)$/m.exec(status)?.[1]
  } catch {
    return undefined
  }
}
