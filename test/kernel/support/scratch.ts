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
import { cgroup2Mount } from '../../../src/lab/mounts.ts'

let made = 0

function uniqueName(): string {
  return `sluice-scratch-${process.pid}-${made++}`
}

/** A directory that is gone after the test. */
export function scratchDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), `${uniqueName()}-`))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A bpf file system of its own; what is pinned there goes with it. */
export function scratchBpffs(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), `${uniqueName()}-`))
  execFileSync('mount', ['-t', 'bpf', 'bpf', dir])
  t.after(() => {
    execFileSync('umount', ['-l', dir])
    rmdirSync(dir)
  })
  return dir
}

/** An empty cgroup2 directory; `inside` runs with this process in it. */
export function scratchCgroup(t: TestContext): { dir: string; inside: <T>(work: () => T) => T } {
  const dir = join(cgroup2Mount(), uniqueName())
  mkdirSync(dir)
  t.after(() => rmdirSync(dir))
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

function ownCgroup(): string {
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
