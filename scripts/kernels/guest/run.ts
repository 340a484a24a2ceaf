// Runs inside the guest: preflight, then test/kernel where preflight says that Sluice runs, then
// the kernel's log. Each is told as a line of JSON on stdout. The kernel's command line may name
// the tests: sluice.tests=GLOB (several in turn), or sluice.short for those of the short form.
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, readFileSync, writeSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'
import type { Verdict } from '../../../src/nodeproxy/preflight/verdict.ts'
import type { GuestMessage, TestMessage } from '../guest-message.ts'
import { shortForm } from '../short-form.ts'

/** An emulated CPU is some twenty times slower than the one that the tests were written on. */
const FILE_TIMEOUT_MS = 30 * 60_000
/** The lab's are there only where a kernel of distributions has what development machines lack. */
const usual: readonly string[] = ['test/kernel/**/*.test.ts', 'test/lab/mesh-ktls.test.ts']
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
const STDOUT = 1

function tell(message: GuestMessage): void {
  const line = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let sent = 0; sent < line.length; ) sent += writeSync(STDOUT, line, sent)
}

function preflight(): Verdict | undefined {
  const args = ['src/cli/main.ts', 'preflight', '-o', 'json', '--timeout', '300']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  let verdict: Verdict | undefined
  try {
    verdict = JSON.parse(stdout) as Verdict
  } catch {
    verdict = undefined
  }
  tell({ kind: 'preflight', status: status ?? -1, verdict, stderr })
  return verdict
}

/**
 * libbpf reads the kernel's whole BTF for each object that it loads, half a second a time where the
 * CPU is emulated. From here on it finds there what the objects ask for and nothing else. Preflight
 * has loaded all of them by the whole.
 */
function shortenBtf(): void {
  const whole = '/sys/kernel/btf/vmlinux'
  const short = '/run/vmlinux.btf'
  execFileSync('bpftool', ['gen', 'min_core_btf', whole, short, ...globSync('build/bpf/*.bpf.o')])
  execFileSync('mount', ['--bind', short, whole])
}

function startTests(): AsyncIterable<TestEvent> {
  const commandLine = readFileSync('/proc/cmdline', 'utf8')
  if (/\bsluice\.short\b/.test(commandLine)) {
    const names = shortForm.flatMap(({ tests }) => tests)
    return run({
      files: shortForm.map(({ file }) => resolve(file)),
      testNamePatterns: names.map(exactly),
      // All in this process: to start one takes seconds, and what is loaded stays fast.
      isolation: 'none',
      concurrency: 1,
    }) as AsyncIterable<TestEvent>
  }
  const asked = [...commandLine.matchAll(/sluice\.tests=(\S+)/g)].map(([, glob = '']) => glob)
  const files = (asked.length > 0 ? asked : usual).flatMap((glob) => globSync(glob).sort())
  return run({ files, concurrency: 1, timeout: FILE_TIMEOUT_MS }) as AsyncIterable<TestEvent>
}

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`)
}

async function runTests(): Promise<boolean> {
  shortenBtf()
  let good = true
  for await (const event of startTests()) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      tell({ kind: 'output', file: fileOf(event.data), text: event.data.message })
    }
    const message = testMessage(event)
    if (message === undefined) continue
    if (message.outcome === 'fail') good = false
    tell(message)
  }
  return good
}

function testMessage(event: TestEvent): TestMessage | undefined {
  if (event.type !== 'test:pass' && event.type !== 'test:fail') return undefined
  const { data } = event
  // A suite says nothing that its tests do not say.
  if (data.details.type === 'suite') return undefined
  const file = fileOf(data)
  const head = {
    kind: 'test',
    file,
    name: data.name,
    durationMs: data.details.duration_ms,
  } as const
  if (event.type === 'test:fail') {
    const { error } = event.data.details
    return { ...head, outcome: 'fail', message: inspect(error.cause ?? error, { depth: 4 }) }
  }
  const skip = data.skip ?? data.todo
  if (skip === undefined || skip === false) return { ...head, outcome: 'pass', message: '' }
  return { ...head, outcome: 'skip', message: typeof skip === 'string' ? skip : 'no reason given' }
}

function fileOf({ file }: { readonly file?: string | undefined }): string {
  return relative(process.cwd(), file ?? '')
}

function kernelLog(): readonly string[] {
  const { stdout } = spawnSync('dmesg', { encoding: 'utf8', maxBuffer: MAX_OUTPUT_BYTES })
  const lines = stdout.split('\n')
  return lines.slice(lines.findLastIndex((line) => line.includes('sluice: tests begin')) + 1)
}

const verdict = preflight()
const good = verdict?.ok !== true || (await runTests())
tell({ kind: 'log', lines: kernelLog() })
// A test that failed may have left a timer or a socket, which would keep the guest up.
process.exit(good ? 0 : 1)
