import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { root } from '../../../scripts/tools.ts'

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

export interface RunningCli {
  interrupt(): void
  readonly ended: Promise<Ran>
}

const main = join(root, 'src/cli/main.ts')

/** The command, as a process of its own. */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  program: readonly string[] = [process.execPath, main],
): RunningCli {
  const [file = '', ...first] = program
  const child = spawn(file, [...first, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = async (): Promise<Ran> => {
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    return { stdout, stderr, status }
  }
  return { interrupt: () => void child.kill('SIGINT'), ended: end() }
}
