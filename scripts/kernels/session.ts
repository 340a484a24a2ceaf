import { type GuestMessage, parseGuestMessage, type TestMessage } from './guest-message.ts'
import type { Kernel } from './packages.ts'
import { type Accelerator, runGuest } from './qemu.ts'

/** All that one guest said, and how it ended. */
export interface Session {
  readonly preflight: Extract<GuestMessage, { kind: 'preflight' }> | undefined
  readonly tests: readonly TestMessage[]
  /** The kernel's log since the tests began; undefined when the guest did not come that far. */
  readonly log: readonly string[] | undefined
  /** What test files printed. */
  readonly output: readonly string[]
  readonly booted: boolean
  /** Why it ended, where that was not by itself after its last test. */
  readonly trouble: string | undefined
  readonly tookMs: number
}

export interface SessionOptions {
  readonly initramfs: string
  readonly accelerator: Accelerator
  readonly timeoutMs: number
  /** Limit until preflight's verdict; undefined: as long as the rest. */
  readonly trialMs?: number
  /** What the guest's command line says of the tests to run; nothing: all of test/kernel. */
  readonly append: string
  readonly workFolder: string
  readonly consoleFile: string
  readonly onTest: (test: TestMessage) => void
  readonly signal: AbortSignal
}

const MEMORY_MIB = 3072
const CPUS = 2

/** Boots one kernel and hears it out. */
export async function runSession(kernel: Kernel, options: SessionOptions): Promise<Session> {
  const began = performance.now()
  const heard: GuestMessage[] = []
  const limit = new AbortController()
  const stopAfter = (ms: number, why: string): NodeJS.Timeout =>
    setTimeout(() => limit.abort(why), ms)
  const timers = [
    stopAfter(options.timeoutMs, `stopped after ${options.timeoutMs / 60_000} minutes`),
  ]
  if (options.trialMs !== undefined) {
    timers.push(stopAfter(options.trialMs, `no verdict within ${options.trialMs / 1000} s`))
  }
  const onLine = (line: string): void => {
    const message = parseGuestMessage(line)
    if (message === undefined) return
    heard.push(message)
    if (message.kind === 'preflight') clearTimeout(timers[1])
    if (message.kind === 'test') options.onTest(message)
  }
  const guest = {
    vmlinuz: kernel.vmlinuz,
    initramfs: options.initramfs,
    accelerator: options.accelerator,
    memoryMib: MEMORY_MIB,
    cpus: CPUS,
    append: options.append,
    consoleFile: options.consoleFile,
    workFolder: options.workFolder,
  }
  const end = await runGuest(guest, onLine, AbortSignal.any([limit.signal, options.signal]))
  for (const timer of timers) clearTimeout(timer)
  const ended = heard.some((message) => message.kind === 'ended')
  return {
    preflight: heard.find((message) => message.kind === 'preflight'),
    tests: heard.filter((message) => message.kind === 'test'),
    log: heard.find((message) => message.kind === 'log')?.lines,
    output: heard.flatMap((message) =>
      message.kind === 'output' ? [`${message.file}: ${message.text.trimEnd()}`] : [],
    ),
    booted: heard.some((message) => message.kind === 'booted'),
    trouble: end ?? (ended ? undefined : 'the guest ended before its tests did: see its console'),
    tookMs: performance.now() - began,
  }
}
