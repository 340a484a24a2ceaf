// Steady load, as long as the pod lives. What became of it is in a file on the node, so that it can
// be read whatever does not work.
//   LOADS    JSON: see Load
//   COUNTS   the file
import { renameSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { Socket } from 'node:net'

/** Clients that ask one after the other, each the next moment after its last answer. */
interface Load {
  readonly name: string
  readonly url: string
  readonly clients: number
  /** False: a new connection for each request. */
  readonly keepAlive: boolean
}

interface Failure {
  readonly startedAt: number
  readonly failedAt: number
  readonly error: string
  /** Node of the server at the other end of a connection that was used before; else empty. */
  readonly node: string
}

interface Outcome {
  made: number
  good: number
  readonly failures: Failure[]
  /** Requests that took longer than a moment. */
  readonly slow: { readonly startedAt: number; readonly tookMs: number }[]
  /** Good answers by server. */
  readonly servers: Record<string, number>
  readonly nodes: Record<string, number>
}

const pauseMs = 50
const slowMs = 1_000
/** So long a request may wait on a machine with much else to do. */
const timeoutMs = 30_000
const mostListed = 200

const nodeOf = new WeakMap<Socket, string>()
const outcomes: Record<string, Outcome> = {}

function client(load: Load, outcome: Outcome): void {
  const { url, keepAlive } = load
  const agent = keepAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : (false as const)
  const again = () => setTimeout(ask, pauseMs)

  function ask(): void {
    const startedAt = Date.now()
    let socket: Socket | undefined
    let over = false
    outcome.made += 1
    const failed = (error: Error) => {
      if (over) return
      over = true
      const node = (socket && nodeOf.get(socket)) ?? ''
      const failure = { startedAt, failedAt: Date.now(), error: error.message, node }
      if (outcome.failures.length < mostListed) outcome.failures.push(failure)
      again()
    }
    const request = get(url, { agent, timeout: timeoutMs }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      answer.on('error', failed).on('end', () => {
        over = true
        good(outcome, startedAt, text, socket)
        again()
      })
    })
    request.on('socket', (used: Socket) => {
      socket = used
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', failed)
  }
  ask()
}

function good(outcome: Outcome, startedAt: number, text: string, socket?: Socket): void {
  const { name, node } = JSON.parse(text) as { readonly name: string; readonly node: string }
  if (socket !== undefined) nodeOf.set(socket, node)
  outcome.good += 1
  outcome.servers[name] = (outcome.servers[name] ?? 0) + 1
  outcome.nodes[node] = (outcome.nodes[node] ?? 0) + 1
  const tookMs = Date.now() - startedAt
  if (tookMs > slowMs && outcome.slow.length < mostListed) outcome.slow.push({ startedAt, tookMs })
}

const file = process.env['COUNTS'] ?? ''
for (const load of JSON.parse(process.env['LOADS'] ?? '[]') as readonly Load[]) {
  const outcome = { made: 0, good: 0, failures: [], slow: [], servers: {}, nodes: {} }
  outcomes[load.name] = outcome
  for (let count = 0; count < load.clients; count += 1) client(load, outcome)
}
setInterval(() => {
  writeFileSync(`${file}.new`, JSON.stringify(outcomes))
  renameSync(`${file}.new`, file)
}, 100)
