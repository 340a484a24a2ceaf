import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { cgroup2Mount } from '../../../src/lab/mounts.ts'
import { uniqueName } from './leftovers.ts'

const deferred = new WeakMap<TestContext, (() => void | Promise<void>)[]>()

/**
 * Runs after the test, what was deferred last first (t.after() runs in the other order), and all of
 * it, also when some of it fails.
 */
export function defer(t: TestContext, undo: () => void | Promise<void>): void {
  const known = deferred.get(t)
  if (known !== undefined) {
    known.push(undo)
    return
  }
  const stack = [undo]
  deferred.set(t, stack)
  t.after(async () => {
    const errors: unknown[] = []
    for (const each of stack.reverse()) {
      try {
        await each()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'clean-up failed')
  })
}

/** A directory that is gone after the test. */
export function scratchDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), `${uniqueName('scratch')}-`))
  defer(t, () => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A bpf file system of its own; what is pinned there goes with it. */
export function scratchBpffs(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), `${uniqueName('scratch')}-`))
  execFileSync('mount', ['-t', 'bpf', 'bpf', dir])
  defer(t, () => {
    execFileSync('umount', ['-l', dir])
    rmdirSync(dir)
  })
  return dir
}

/** An empty cgroup2 directory; `inside` runs with this process in it. */
export function scratchCgroup(t: TestContext): { dir: string; inside: <T>(work: () => T) => T } {
  const dir = join(cgroup2Mount(), uniqueName('scratch'))
  mkdirSync(dir)
  defer(t, () => rmdirSync(dir))
  return {
    dir,
    inside(work) {
      const home = join(cgroup2Mount(), ownCgroup())
      writeFileSync(join(dir, 'cgroup.procs'), String(process.pid))
      try {
        return work()
      } finally {
        writeFileSync(join(home, 'cgroup.procs'), String(process.pid))
      }
    },
  }
}

/** This process's cgroup2 path. */
export function ownCgroup(): string {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n')
  return lines.find((line) => line.startsWith('0::'))?.slice(3) ?? '/'
}

/** What this process has open: the names that /proc gives to descriptors. */
export function descriptors(matching = /^/): readonly string[] {
  return readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return [] // the one that listed them
      }
    })
    .filter((name) => matching.test(name))
}

// Emulated guests are twenty times slower, and the machine that emulates them may be busy.
const longestWaitMs = 120_000

/** Waits for what other processes do: looks every millisecond, so that they get the CPU. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + longestWaitMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>
    if (performance.now() > deadline)
      throw new Error(`waited ${longestWaitMs} ms in vain for ${what}`)
    await setTimeout(1)
  }
}
