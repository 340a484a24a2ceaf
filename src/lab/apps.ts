import { join } from 'node:path'
import type { LabProcess } from './process/process.ts'
import type { RunOptions, Runner } from './runner.ts'

/** Small real programs to run in pods. Those that answer are started when they listen. */
const folder = join(import.meta.dirname, 'apps')

const SEND_TIMEOUT_MS = 120_000

/** IP and port, as the program's own sockets name it. */
export type SocketName = readonly [string, number]

/** What who.py says of one connection. */
export interface WhoAnswer {
  readonly name: string
  readonly accept: SocketName
  readonly peer: SocketName
  readonly local: SocketName
}

/** One line of ask.py. */
export type Asked = {
  readonly at: number
  readonly us: number
  readonly asked: SocketName
} & (
  | {
      readonly ok: true
      readonly peer: SocketName
      readonly local: SocketName
      readonly answer: WhoAnswer
    }
  | { readonly ok: false; readonly error: string }
)

export interface AskOptions extends RunOptions {
  /** 1; 0 is for ever. */
  readonly count?: number
  readonly intervalMs?: number
  /** 5 s for an answer. */
  readonly patienceMs?: number
  /** All questions over one connection. */
  readonly keep?: boolean
}

/** A blocking, threaded server that tells its name and what its sockets say. */
export async function startWho(
  where: Runner,
  name: string,
  port: number,
  address = '::',
  options: RunOptions = {},
): Promise<LabProcess> {
  return started(
    where.spawn(['python3', join(folder, 'who.py'), name, `${port}`, address], options),
  )
}

/** Asks and waits for all answers. Refusals are answers too. */
export async function ask(
  where: Runner,
  address: string,
  port: number,
  options: AskOptions = {},
): Promise<Asked[]> {
  const { stdout } = await where.exec(askArgv(address, port, options), options)
  return stdout.trim().split('\n').map(parseAsked)
}

/** Asks in the background; `answers` grows. */
export function startAsking(
  where: Runner,
  address: string,
  port: number,
  options: AskOptions = {},
): LabProcess & { answers(): Asked[] } {
  const asking = where.spawn(
    askArgv(address, port, { count: 0, intervalMs: 20, ...options }),
    options,
  )
  return { ...asking, answers: () => asking.lines().map(parseAsked) }
}

/** A server that counts and hashes what it is sent. */
export async function startSink(where: Runner, port: number): Promise<LabProcess> {
  return started(where.spawn([process.execPath, join(folder, 'stream.ts'), 'serve', `${port}`]))
}

export interface Sent {
  readonly bytes: number
  readonly seconds: number
  readonly megabitPerSecond: number
}

/**
 * Sends at least six bytes to a sink.
 * @param paceS takes at least that long
 * @throws Error when others arrived than were sent
 */
export async function sendBytes(
  where: Runner,
  address: string,
  port: number,
  bytes: number,
  paceS = 0,
): Promise<Sent> {
  const argv = ['send', address, `${port}`, `${bytes}`, `${paceS}`]
  const { stdout } = await where.exec([process.execPath, join(folder, 'stream.ts'), ...argv], {
    timeoutMs: SEND_TIMEOUT_MS + paceS * 1000,
  })
  return JSON.parse(stdout) as Sent
}

function askArgv(address: string, port: number, options: AskOptions): string[] {
  const argv = [
    'python3',
    join(folder, 'ask.py'),
    address,
    `${port}`,
    '--count',
    `${options.count ?? 1}`,
  ]
  if (options.intervalMs !== undefined) argv.push('--interval-ms', `${options.intervalMs}`)
  if (options.patienceMs !== undefined) argv.push('--timeout-ms', `${options.patienceMs}`)
  if (options.keep === true) argv.push('--keep')
  return argv
}

function parseAsked(line: string): Asked {
  return JSON.parse(line) as Asked
}

async function started(process: LabProcess): Promise<LabProcess> {
  await process.waitForLine(/^listening$/)
  return process
}
