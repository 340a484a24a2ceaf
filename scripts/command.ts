import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'

export interface RunOptions {
  /** A file. */
  readonly stdin?: string
  /** What is written to its standard input; not with `stdin`. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const DEFAULT_TIMEOUT_MS = 60_000
const KILLED = 137

/** Runs a command to its end, whatever that is. Its status is 137 when its time was over. */
export async function tryCommand(
  argv: readonly string[],
  { stdin, input, env = {}, timeoutMs = DEFAULT_TIMEOUT_MS }: RunOptions = {},
): Promise<Ran> {
  const [command = '', ...args] = argv
  const file = stdin === undefined ? undefined : openSync(stdin, 'r')
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: [file ?? (input === undefined ? 'ignore' : 'pipe'), 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  if (file !== undefined) closeSync(file)
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  const { stdout: output, stderr: errors } = child
  if (output === null || errors === null) throw new Error(`${command} has no output`)
  const ended = once(child, 'close') as Promise<[number | null]>
  const [[status], stdout, stderr] = await Promise.all([ended, text(output), text(errors)])
  return { status: status ?? KILLED, stdout, stderr }
}

/** @returns standard output. @throws Error with what it said when its status is not 0 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await tryCommand(argv, options)
  if (status === 0) return stdout
  const said = [stdout.trim(), stderr.trim()].filter(Boolean).join('\n')
  throw new Error(`${argv.join(' ')}: status ${status}: ${said.split('\n').slice(-15).join('\n')}`)
}
