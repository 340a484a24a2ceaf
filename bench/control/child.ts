// A part of the benchmark as a process of its own, so that its CPU and memory are its own.
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'

interface Question<Order> {
  readonly id: number
  readonly order: Order
}

type Reply<Answer> =
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly error: string }
  | { readonly news: unknown }

/** The side of whoever started it. */
export interface Child<Order, Answer> extends AsyncDisposable {
  /** @throws Error with what went wrong there, or with how it ended */
  ask(order: Order): Promise<Answer>
  memory(): Memory
  /** Seconds of CPU so far, all threads. */
  cpuSeconds(): number
}

export interface Memory {
  readonly residentMb: number
  /** The most it ever had. */
  readonly peakMb: number
}

export function startChild<Order, Answer>(
  program: URL,
  onNews: (news: unknown) => void = () => {},
): Child<Order, Answer> {
  // Flags of this process, of a test runner say, are not its own.
  const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  const waiting = new Map<number, PromiseWithResolvers<Answer>>()
  let asked = 0
  const exited = Promise.withResolvers<void>()
  child.on('message', (reply: Reply<Answer>) => {
    if ('news' in reply) {
      onNews(reply.news)
      return
    }
    const question = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) question?.reject(new Error(reply.error))
    else question?.resolve(reply.answer)
  })
  child.on('exit', (status, signal) => {
    const error = new Error(`${program.pathname} ended: ${signal ?? status}`)
    for (const question of waiting.values()) question.reject(error)
    waiting.clear()
    exited.resolve()
  })
  const { pid = 0 } = child
  return {
    async ask(order) {
      if (!child.connected) throw new Error(`${program.pathname} does not run`)
      asked += 1
      const answer = Promise.withResolvers<Answer>()
      waiting.set(asked, answer)
      child.send({ id: asked, order } satisfies Question<Order>)
      return answer.promise
    },
    memory: () => ({ residentMb: statusMb(pid, 'VmRSS'), peakMb: statusMb(pid, 'VmHWM') }),
    cpuSeconds: () => cpuSecondsOf(pid),
    async [Symbol.asyncDispose]() {
      // It ends by itself, as whoever started it is gone.
      if (child.connected) child.disconnect()
      const forced = setTimeout(() => child.kill('SIGKILL'), endMs)
      await exited.promise
      clearTimeout(forced)
    },
  }
}

/** The side of the program: answers orders one at a time. @returns what tells news */
export function serveParent(obey: (order: unknown) => Promise<object>): (news: object) => void {
  const send = (reply: Reply<object>) => process.send?.(reply)
  let last: Promise<unknown> = Promise.resolve()
  process.on('message', ({ id, order }: Question<unknown>) => {
    last = last
      .then(() => obey(order))
      .then(
        (answer) => send({ id, answer }),
        (error: unknown) => send({ id, error: error instanceof Error ? `${error.stack}` : '?' }),
      )
  })
  // Whoever started it is gone.
  process.on('disconnect', () => process.exit())
  return (news) => void send({ news })
}

function statusMb(pid: number, name: string): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]
  return Number(kilobytes ?? 0) / 1_024
}

const endMs = 20_000

const ticksPerSecond = 100

function cpuSecondsOf(pid: number): number {
  // After the name, which may hold blanks.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond
}
