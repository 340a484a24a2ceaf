import { accessSync, constants, existsSync, globSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { prepareParts } from '../cluster/build.ts'
import { missingOfMachine } from '../cluster/requirements.ts'
import { root } from '../tools.ts'

/** A group of test files that run the same way. */
export interface Suite {
  readonly name: string
  /** Relative to the project. */
  readonly glob: string
  /** Test files at once. Those that touch the kernel run alone: they watch its counters. */
  readonly concurrency: number
  /** A file that takes longer has hung. */
  readonly fileTimeoutMs: number
  /** What this machine lacks to run it, with the fix; empty when nothing. */
  readonly missing: () => readonly string[]
  /** Runs when it is named, and not with all. */
  readonly byNameAlone?: boolean
  /** Makes what takes too long for a test's time; says what it does. */
  readonly prepare?: (say: (message: string) => void) => Promise<unknown>
}

const minuteMs = 60_000
const nothing = (): readonly string[] => []

export const suites: readonly Suite[] = [
  {
    name: 'unit',
    glob: 'test/unit/**/*.test.ts',
    concurrency: availableParallelism(),
    fileTimeoutMs: 5 * minuteMs,
    missing: nothing,
  },
  {
    name: 'native',
    glob: 'test/native/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 15 * minuteMs,
    missing: missingRoot,
  },
  {
    name: 'kernel',
    glob: 'test/kernel/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 10 * minuteMs,
    missing: missingForBpf,
  },
  {
    name: 'lab',
    glob: 'test/lab/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 20 * minuteMs,
    missing: missingForBpf,
  },
  {
    name: 'cluster',
    // Builds Kubernetes from source where it has no cache of that, which takes 15 CPU minutes.
    byNameAlone: true,
    glob: 'test/cluster/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 20 * minuteMs,
    missing: () => [...new Set([...missingForBpf(), ...missingOfMachine()])],
    prepare: prepareParts,
  },
  {
    name: 'kernels',
    glob: 'test/kernels/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 20 * minuteMs,
    missing: missingForGuests,
  },
]

/** The test files of a suite, sorted, absolute. */
export function filesOf(suite: Suite): readonly string[] {
  return globSync(suite.glob, { cwd: root })
    .map((file) => join(root, file))
    .sort()
}

function missingRoot(): readonly string[] {
  return process.getuid?.() === 0 ? [] : ['root: run it as root (BPF and network namespaces)']
}

function missingForBpf(): readonly string[] {
  const lacks = [...missingRoot()]
  if (!existsSync('/sys/kernel/btf/vmlinux')) {
    lacks.push('BTF of the kernel: boot a kernel with CONFIG_DEBUG_INFO_BTF (6.1 or newer)')
  }
  if (!readFileSync('/proc/self/mountinfo', 'utf8').includes(' - cgroup2 ')) {
    lacks.push('cgroup v2: mount -t cgroup2 none /sys/fs/cgroup/unified')
  }
  if (!existsSync(join(root, 'build/Release/sluice.node'))) {
    lacks.push('the addon: run `scripts/setup test`')
  }
  return lacks
}

function missingForGuests(): readonly string[] {
  const folders = (process.env.PATH ?? '').split(':')
  const found = folders.some((folder) => isExecutable(join(folder, 'qemu-system-x86_64')))
  return found ? [] : ['qemu-system-x86_64: run `scripts/setup test`']
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
