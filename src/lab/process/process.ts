import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { patient, waitFor } from './wait.ts'

/** Characters of a command line in an error. */
const MOST_SHOWN = 160

export interface Exit {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process of the lab whose output is kept. */
export interface LabProcess {
  readonly pid: number
  readonly argv: readonly string[]
  readonly stdin: Writable
  readonly exited: Promise<Exit>
  /** Undefined while it runs. */
  exit(): Exit | undefined
  /** Everything printed so far. */
  stdout(): string
  stderr(): string
  /** Complete lines of standard output so far. */
  lines(): readonly string[]
  onLine(listener: (line: string) => void): void
  /**
   * The first line, of now or later, that matches. Throws when the process ends or time passes
   * before.
   */
  waitForLine(match: RegExp, timeoutMs?: number): Promise<string>
  kill(signal?: NodeJS.Signals): void
  /** SIGKILL, and waits for its end. */
  stop(): Promise<Exit>
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** A command that ran to its end. */
export interface Finished extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Starts a command. @throws Error that names it when it cannot be started at all */
export function startProcess(argv: readonly string[], options: SpawnOptions = {}): LabProcess {
  const [command = '', ...args] = argv
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  if (child.pid === undefined) {
    child.on('error', () => {})
    throw new Error(
      `${command} cannot be started: is it there? (\`npm run build\` makes what is ours)`,
    )
  }
  child.stdin.on('error', () => {})
  return follow(child, argv, child.pid)
}

/**
 * Runs to the end.
 * @throws Error with what it printed, when its status is not 0 (with `check`), or its time was over
 */
export async function finish(
  started: LabProcess,
  check: boolean,
  timeoutMs: number,
): Promise<Finished> {
  started.stdin.end()
  let late = ''
  const timer = setTimeout(() => {
    late = ` after ${patient(timeoutMs)} ms, which is all it had`
    started.kill('SIGKILL')
  }, patient(timeoutMs))
  const exit = await started.exited
  clearTimeout(timer)
  if ((check && exit.status !== 0) || late !== '') {
    throw new Error(`${describe(started)}: ended with ${exitText(exit)}${late}: ${tail(started)}`)
  }
  return { ...exit, stdout: started.stdout(), stderr: started.stderr() }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

function follow(child: Child, argv: readonly string[], pid: number): LabProcess {
  const output = collectLines(child.stdout)
  const errors = collectLines(child.stderr)
  let ended: Exit | undefined
  const exited = new Promise<Exit>((resolve) => {
    // Not 'close': a daemon that it started may hold its standard error for ever.
    child.on('exit', (status, signal) => {
      void finished(child.stdout).finally(() => {
        ended = { status, signal }
        resolve(ended)
      })
    })
  })
  const started: LabProcess = {
    pid,
    argv,
    stdin: child.stdin,
    exited,
    exit: () => ended,
    stdout: output.text,
    stderr: errors.text,
    lines: () => output.lines,
    onLine: (listener) => output.listeners.push(listener),
    waitForLine,
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    stop: () => {
      child.kill('SIGKILL')
      return exited
    },
  }
  async function waitForLine(match: RegExp, timeoutMs?: number): Promise<string> {
    const found = await waitFor(
      `a line ${match} of ${describe(started)}`,
      () => {
        const line = output.lines.find((one) => match.test(one))
        return line === undefined && ended === undefined ? undefined : { line }
      },
      timeoutMs,
    )
    if (found.line !== undefined) return found.line
    throw new Error(`${describe(started)} ended without a line ${match}: ${tail(started)}`)
  }
  return started
}

/** Resolves when everything was read of it. */
function finished(stream: Readable): Promise<unknown> {
  return stream.closed ? Promise.resolve() : once(stream, 'close')
}

function collectLines(stream: Readable) {
  const lines: string[] = []
  const listeners: ((line: string) => void)[] = []
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines.push(line)
      for (const listener of listeners) listener(line)
    }
  })
  const text = () => [...lines, rest].join('\n')
  return { lines, listeners, text }
}

/** The command as its author wrote it, without how the lab entered the pod. */
function describe(started: LabProcess): string {
  const from = started.argv.indexOf('--')
  const command = started.argv.slice(from + 1).join(' ')
  const short = command.length > MOST_SHOWN ? `${command.slice(0, MOST_SHOWN)}…` : command
  return `\`${short}\` (pid ${started.pid})`
}

function exitText(exit: Exit): string {
  return exit.signal ?? `status ${exit.status}`
}

function tail(started: LabProcess): string {
  // What logs as JSON says on standard output why it ended.
  const said = [started.stdout().trim(), started.stderr().trim()].filter(Boolean).join('\n')
  return said.split('\n').slice(-15).join('\n') || 'it said nothing'
}
