import { type EnterOptions, enterArgv, type Place } from './process/enter.ts'
import {
  type Finished,
  finish,
  type LabProcess,
  type SpawnOptions,
  startProcess,
} from './process/process.ts'

const DEFAULT_TIMEOUT_MS = 60_000

export interface RunOptions extends EnterOptions, SpawnOptions {}

export interface ExecOptions extends RunOptions {
  /** False: a status other than 0 is no error. */
  readonly check?: boolean
  /** Killed after that: one minute, so that nothing hangs for ever. */
  readonly timeoutMs?: number
  /** Written to its standard input. */
  readonly input?: string
}

/** Runs real processes at one place of the lab: there from their first instruction on. */
export interface Runner {
  readonly place: Place
  /** Starts a process and returns at once. */
  spawn(argv: readonly string[], options?: RunOptions): LabProcess
  /** Runs a process to its end. @throws Error with its output when it fails */
  exec(argv: readonly string[], options?: ExecOptions): Promise<Finished>
  /** The argument vector that runs `argv` there, for callers that spawn by themselves. */
  command(argv: readonly string[], options?: EnterOptions): string[]
}

export function createRunner(place: Place): Runner {
  const command: Runner['command'] = (argv, options) => enterArgv(place, argv, options)
  const spawn: Runner['spawn'] = (argv, options = {}) =>
    startProcess(command(argv, options), options)
  return {
    place,
    command,
    spawn,
    exec: (argv, options = {}) => {
      const started = spawn(argv, options)
      if (options.input !== undefined) started.stdin.write(options.input)
      return finish(started, options.check ?? true, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    },
  }
}
