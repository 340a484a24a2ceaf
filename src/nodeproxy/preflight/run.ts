import { type ChildProcess, fork } from 'node:child_process'
import { extname, join } from 'node:path'
import type { CheckId } from './catalogue.ts'
import type { ProbeReport, ProbeRequest } from './child.ts'
import { readEnvironment } from './environment.ts'
import { removeLeftovers } from './leftovers.ts'
import { probeMachine } from './probes/machine.ts'
import { buildVerdict, type Finding, type Verdict } from './verdict.ts'

export interface PreflightOptions {
  /** cgroup2 folder of the pods, where it is not to be looked for. */
  readonly kubepods?: string
  /** Probes that have not answered by then count as failed. */
  readonly timeoutMs: number
}

/**
 * Says what this machine can do for Sluice, by trying it. Leaves nothing behind: what the probes
 * make is held by their process, or carries its name and is removed by the next run.
 */
export async function runPreflight(options: PreflightOptions): Promise<Verdict> {
  const environment = readEnvironment()
  removeLeftovers(environment.mounts)
  const findings = new Map(probeMachine(environment))
  const unmet = [...findings].filter(([, finding]) => finding.status === 'fail').map(([id]) => id)
  const request: ProbeRequest = {
    unmet,
    ...(options.kubepods === undefined ? {} : { kubepods: options.kubepods }),
  }
  const end = await askChild(request, options.timeoutMs, (id, finding) => findings.set(id, finding))
  return buildVerdict(environment.kernel, findings, end)
}

const GRACE_MS = 5_000

/** Resolves with how the probes' process ended badly; undefined when it ended well. */
function askChild(
  request: ProbeRequest,
  timeoutMs: number,
  report: (id: CheckId, finding: Finding) => void,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const child: ChildProcess = fork(
    join(import.meta.dirname, `child${extname(import.meta.filename)}`),
    {
      // What it prints would spoil `-o json`.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  const timers = [
    setTimeout(() => {
      resolve(`the probes took longer than ${timeoutMs / 1000} s`)
      child.disconnect()
    }, timeoutMs),
    // Told to end, it cleans up first; one that cannot end is cleaned up after.
    setTimeout(() => child.kill('SIGKILL'), timeoutMs + GRACE_MS),
  ]
  child.on('message', ({ id, finding }: ProbeReport) => report(id, finding))
  child.on('error', (error) => resolve(`the probes' process cannot be run: ${error.message}`))
  child.on('exit', (status, signal) => {
    for (const timer of timers) clearTimeout(timer)
    if (status === 0) return resolve(undefined)
    removeLeftovers(readEnvironment().mounts)
    resolve(`the probes' process ended with ${signal ?? `status ${status}`}`)
  })
  child.send(request)
  return promise
}
