import { patient } from './process/wait.ts'
import type { Runner } from './runner.ts'

const TIMEOUT_S = `${patient(10)}`

export interface HttpReply {
  readonly status: number
  readonly body: string
}

/**
 * Asks a server that only the given place can reach. Its network namespace is not ours, so curl
 * goes there.
 * @throws Error when nothing answers
 */
export async function httpFrom(where: Runner, url: string, method = 'GET'): Promise<HttpReply> {
  const argv = ['curl', '--silent', '--show-error', '--max-time', TIMEOUT_S, '--request', method]
  const { stdout } = await where.exec([...argv, '--write-out', '\n%{http_code}', url])
  const end = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
}
