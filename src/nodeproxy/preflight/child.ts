import type { CheckId } from './catalogue.ts'
import { createAsk } from './ask.ts'
import { probeKernel } from './probe-kernel.ts'
import type { Finding } from './verdict.ts'

/**
 * Runs as a process of its own, because it moves into a scratch cgroup and because a crash of the
 * addon must become a finding. Hears one request, tells each finding as it comes, and ends.
 */

export interface ProbeRequest {
  readonly kubepods?: string
  /** Checks that failed before this process was started. */
  readonly unmet: readonly CheckId[]
}

export interface ProbeReport {
  readonly id: CheckId
  readonly finding: Finding
}

process.once('message', (request: ProbeRequest) => {
  void run(request)
})

async function run(request: ProbeRequest): Promise<void> {
  const report = (id: CheckId, finding: Finding): void => {
    const message: ProbeReport = { id, finding }
    // Its failure means that the parent is gone, which is heard as a disconnect.
    process.send?.(message, undefined, undefined, () => undefined)
  }
  using scene = new DisposableStack()
  // The parent is gone, or both were interrupted: nobody wants the rest, and nobody else cleans up.
  const stop = (): void => {
    scene.dispose()
    process.exit(1)
  }
  process.once('disconnect', stop)
  process.once('uncaughtException', (error) => {
    process.stderr.write(`preflight's probes: ${error.stack ?? error.message}\n`)
    stop()
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  await probeKernel(createAsk(new Set(request.unmet), report), scene, request.kubepods)
  process.removeAllListeners('disconnect')
  process.disconnect?.()
}
