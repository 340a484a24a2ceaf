import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { cgroup2Mount } from '../../../src/lab/mounts.ts'
import { startTime } from '../../../src/lab/owner.ts'

/** What a test makes outside its process is called so, by the process that made it. */
const ours = /^sluice-(?:bpf|scratch)-p(\d+)-s(\d+)-/u

const start = startTime(process.pid) ?? ''
let made = 0
let swept = false

/**
 * A name for what has to go away with this process, and does so at the latest when the next test
 * process asks for a name: one that is killed runs no clean-up of its own.
 */
export function uniqueName(kind: 'bpf' | 'scratch'): string {
  if (!swept) sweepLeftovers()
  swept = true
  return `sluice-${kind}-p${process.pid}-s${start}-${made++}`
}

/** Removes mounts, directories and cgroups of test processes that are dead. */
function sweepLeftovers(): void {
  for (const mount of mountPoints().filter((path) => isLeft(basename(path)))) {
    attempt(() => execFileSync('umount', ['-l', mount], { stdio: 'ignore' }))
  }
  for (const path of leftIn(tmpdir())) attempt(() => rmSync(path, { recursive: true, force: true }))
  for (const path of leftIn(cgroup2Mount())) attempt(() => endCgroup(path))
}

function leftIn(dir: string): string[] {
  return readdirSync(dir)
    .filter(isLeft)
    .map((name) => join(dir, name))
}

function isLeft(name: string): boolean {
  const [, pid, started] = ours.exec(name) ?? []
  return pid !== undefined && startTime(Number(pid)) !== started
}

/** Spaces in paths stand as \040, which no name of ours has. */
function mountPoints(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.map((line) => line.split(' ')[4] ?? '')
}

/** With the processes that the dead one started there. */
function endCgroup(dir: string): void {
  writeFileSync(join(dir, 'cgroup.kill'), '1')
  const clock = new Int32Array(new SharedArrayBuffer(4))
  for (let tries = 0; tries < 1000; tries++) {
    if (attempt(() => removeCgroup(dir))) return
    Atomics.wait(clock, 0, 0, 1) // the killed are still on their way out
  }
}

/** @throws Error while processes are in it */
export function removeCgroup(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(dir, entry.name))
  }
  rmdirSync(dir)
}

/** What another process sweeps at the same time is gone as well; what stays, stays for the next. */
function attempt(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}
