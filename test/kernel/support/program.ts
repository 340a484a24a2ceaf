import { execFileSync } from 'node:child_process'
import type { TestPod } from './pod.ts'

/**
 * Runs a program in the pod's namespace and in this process's cgroup, and gives what it printed.
 */
export function runInPod(
  pod: TestPod,
  command: string,
  args: readonly string[],
  input = '',
): string {
  const netns = `--net=/proc/${process.pid}/fd/${pod.netnsFd}`
  return execFileSync('nsenter', [netns, command, ...args], {
    encoding: 'utf8',
    input,
    timeout: 60_000,
  })
}

/** This program's own Node: guests with other kernels have no other language. */
export function nodeInPod(pod: TestPod, script: string): string {
  return runInPod(pod, process.execPath, ['-'], script)
}

/** A sysctl under /proc/sys/net of the pod's namespace. */
export function setSysctl(pod: TestPod, name: string, value: string): void {
  runInPod(pod, 'sysctl', ['-q', '-w', `${name}=${value}`])
}
