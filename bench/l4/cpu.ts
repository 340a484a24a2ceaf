import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * CPU microseconds that every process below the given cgroup2 directories has used so far (user,
 * system and the softirqs that ran in their context), plus those of the kernel's softirq threads.
 */
export function cpuUsedUs(cgroups: readonly string[]): number {
  let totalUs = softirqThreadsUs()
  for (const cgroup of cgroups) {
    const match = /^usage_usec (\d+)$/m.exec(readFileSync(join(cgroup, 'cpu.stat'), 'utf8'))
    if (match === null) throw new Error(`read CPU use of ${cgroup}: cpu.stat has no usage_usec`)
    totalUs += Number(match[1])
  }
  return totalUs
}

/**
 * Nanoseconds on CPU are the first field of schedstat (Documentation/scheduler/sched-stats.rst).
 */
function softirqThreadsUs(): number {
  let ns = 0
  for (const pid of softirqPids()) {
    ns += Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0])
  }
  return ns / 1000
}

let knownPids: readonly string[] | undefined

function softirqPids(): readonly string[] {
  knownPids ??= readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && readCommand(pid).startsWith('ksoftirqd/'),
  )
  return knownPids
}

function readCommand(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8')
  } catch {
    return '' // the process ended between readdir and here
  }
}
