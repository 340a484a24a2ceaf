// Asks a server over HTTP, with a new connection each time: `ask URL COUNT` prints the answers as
// JSON, and fails when one of them is an error.
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export type Answer = Readonly<Record<string, unknown>>

export interface Question {
  readonly url: string
  readonly count: number
  readonly timeoutMs: number
  readonly pauseMs: number
}

/** @returns what the server said, or `{ error }` */
async function ask(url: string, timeoutMs: number): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const failed = (error: Error & { code?: string }) =>
    resolve({ error: error.code ?? error.message })
  const request = get(url, { agent: false, timeout: timeoutMs }, (answer) => {
    let text = ''
    answer.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
    answer.on('end', () => resolve(JSON.parse(text) as Answer)).on('error', failed)
  })
  request.on('timeout', () => request.destroy(new Error('ETIMEDOUT'))).on('error', failed)
  return promise
}

/** One after the other. */
export async function askMany(question: Question): Promise<readonly Answer[]> {
  const { url, count, timeoutMs, pauseMs } = question
  const answers: Answer[] = []
  while (answers.length < count) {
    answers.push(await ask(url, timeoutMs))
    if (pauseMs > 0) await sleep(pauseMs)
  }
  return answers
}

const [, , url, count] = process.argv
if (url !== undefined) {
  const answers = await askMany({ url, count: Number(count), timeoutMs: 10_000, pauseMs: 50 })
  process.stdout.write(`${JSON.stringify(answers)}\n`)
  process.exitCode = answers.some((answer) => 'error' in answer) ? 1 : 0
}
