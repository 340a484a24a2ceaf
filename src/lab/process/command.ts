import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { patient } from './wait.ts'

export interface CommandOptions {
  readonly input?: string
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 20_000

/**
 * Runs a tool to its end, without a shell, and gives its standard output.
 * @throws Error that names the arguments, the status and what the tool said
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const [command = '', ...args] = argv
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: patient(options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    killSignal: 'SIGKILL',
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  // A tool that ends before it read everything says so by its status; EPIPE says less.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  if (status === 0) return Buffer.concat(output).toString()
  const said = Buffer.concat(errors).toString().trim()
  const input = options.input === undefined ? '' : `\ninput was:\n${numbered(options.input)}`
  throw new Error(`${argv.join(' ')}: ended with ${signal ?? `status ${status}`}: ${said}${input}`)
}

/** Tools name the line of a batch that failed; so it must be found. */
function numbered(text: string): string {
  return text
    .split('\n')
    .map((line, index) => `${index + 1}: ${line}`)
    .join('\n')
}
