// Worker thread: the apps at one end of many connections. Each sends a stream that is known by its
// seed, in pieces of random sizes, reads at random, and checks every byte that comes.
import { parentPort, workerData } from 'node:worker_threads'
import { loadNative } from '../../../src/nodeproxy/native.ts'

export interface AppSocket {
  readonly fd: number
  readonly sendSeed: number
  readonly expectSeed: number
}

export interface AppsInput {
  readonly sockets: readonly AppSocket[]
  readonly bytesEachWay: number
  readonly randomSeed: number
}

/** Empty when all bytes came, in order, once; else what was wrong. */
export type AppsOutput = readonly string[]

const EAGAIN = -11
const longestPiece = 40_000
/** When nothing moves on any stream for so long, those that are not done hang. */
const standstillMs = 60_000

/**
 * The stream's byte at this offset: differs between neighbours, pages and streams.
 */
function byteAt(seed: number, offset: number): number {
  return (seed * 31 + offset * 167 + (offset >>> 8) * 13 + (offset >>> 16) * 7) & 255
}

function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function run({ sockets, bytesEachWay, randomSeed }: AppsInput): AppsOutput {
  const native = loadNative()
  const random = createRandom(randomSeed)
  const problems: string[] = []
  const buffer = new Uint8Array(longestPiece)
  let movedAt = performance.now()
  const states = sockets.map((socket) => ({ socket, sent: 0, received: 0, done: false }))
  const sendSome = (state: (typeof states)[number]): void => {
    const size = Math.min(
      1 + random(random(4) === 0 ? longestPiece : 2000),
      bytesEachWay - state.sent,
    )
    if (size === 0) return
    for (let index = 0; index < size; index += 1) {
      buffer[index] = byteAt(state.socket.sendSeed, state.sent + index)
    }
    const result = native.socketSend(state.socket.fd, buffer.subarray(0, size))
    if (result > 0) movedAt = performance.now()
    if (result > 0) state.sent += result
    else if (result !== EAGAIN) problems.push(`send on ${state.socket.fd}: errno ${-result}`)
  }
  const readSome = (state: (typeof states)[number]): void => {
    const result = native.socketReceive(
      state.socket.fd,
      buffer.subarray(0, 1 + random(longestPiece)),
    )
    if (result === EAGAIN) return
    if (result <= 0) problems.push(`receive on ${state.socket.fd}: ${result}`)
    for (let index = 0; index < result; index += 1) {
      const offset = state.received + index
      if (buffer[index] === byteAt(state.socket.expectSeed, offset)) continue
      problems.push(`stream ${state.socket.expectSeed}: wrong byte at ${offset}`)
      return
    }
    if (result > 0) movedAt = performance.now()
    state.received += Math.max(result, 0)
  }
  while (problems.length === 0 && states.some(({ done }) => !done)) {
    for (const state of states) {
      if (state.done) continue
      sendSome(state)
      if (random(3) > 0) readSome(state)
      state.done = state.sent === bytesEachWay && state.received === bytesEachWay
    }
    if (performance.now() - movedAt < standstillMs) continue
    for (const { socket, sent, received, done } of states) {
      if (!done)
        problems.push(`stream ${socket.sendSeed} hangs: ${sent} sent, ${received} received`)
    }
  }
  return problems
}

parentPort?.postMessage(run(workerData as AppsInput))
