import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Cache,
  keepPart,
  missingParts,
  modulesFolder,
  partsCache,
  removePart,
} from './cache.ts'
import { findGo } from './go.ts'
import type { Part } from './parts.ts'

const BUILD_TIMEOUT_MS = 45 * 60_000

/**
 * Builds what the cache lacks, and says which part it is at: a bare machine takes minutes. Two that
 * build at once build twice, and the later one's files stay.
 * @param signal ends it; the parts that are built stay
 * @throws Error that names the part and what the compiler said
 */
export async function prepareParts(
  say: (message: string) => void,
  signal?: AbortSignal,
): Promise<Cache> {
  const cache = partsCache()
  const missing = await missingParts(cache)
  if (missing.length === 0) return cache
  const go = await findGo(say)
  say(`building ${missing.length} parts of the cluster into ${cache.folder}, once`)
  const folder = join(cache.folder, `building-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    for (const [index, part] of missing.entries()) {
      const start = performance.now()
      removePart(cache, part)
      await keepPart(cache, part, await build(go, folder, part, signal))
      const seconds = Math.round((performance.now() - start) / 1000)
      say(`${index + 1} of ${missing.length}: ${part.name}, ${seconds} s`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return cache
}

async function build(
  go: string,
  folder: string,
  part: Part,
  interrupted: AbortSignal = new AbortController().signal,
): Promise<string> {
  const file = join(folder, part.name)
  const variables = Object.entries(part.variables ?? {}).map(
    ([name, value]) => `-X ${name}=${value}`,
  )
  const flags = ['-s', '-w', ...variables].join(' ')
  const args = ['build', '-trimpath', '-mod=readonly', '-buildvcs=false', '-ldflags', flags]
  const child = spawn(go, [...args, '-o', file, part.package], {
    cwd: join(modulesFolder, part.module),
    // What the machine's user prefers for other work must not get into the parts.
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOTOOLCHAIN: 'local', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_TIMEOUT_MS,
  })
  // Its compilers end with it.
  const interrupt = () => child.kill('SIGINT')
  interrupted.addEventListener('abort', interrupt)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null]
  interrupted.removeEventListener('abort', interrupt)
  if (interrupted.aborted) throw new Error(`${part.name} was not built in time, or interrupted`)
  if (status === 0) return file
  const lines = said.trim().split('\n').slice(-15).join('\n')
  throw new Error(`${part.package} was not built (${signal ?? `status ${status}`}):\n${lines}`)
}
