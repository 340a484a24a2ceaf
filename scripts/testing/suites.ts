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
  /** The files that run with all suites, where not all do; relative to the project. */
  readonly short?: readonly string[]
  /** Makes what takes too long for a test's time; says what it does. */
  readonly prepare?: (say: (message: string) => void, signal: AbortSignal) => Promise<unknown>
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
    name: 'kernels',
    glob: 'test/kernels/**/*.test.ts',
    concurrency: 1,
    fileTimeoutMs: 20 * minuteMs,
    missing: missingForGuests,
  },
  {
    // The last one: its parts may have to be built first, and should time run out, the others have
    // said what they have to say.
    name: 'cluster',
    glob: 'test/cluster/**/*.test.ts',
    // Install, enrol, traffic, restarts, upgrade and uninstall, and what the CLI says of them.
    short: ['test/cluster/cli.test.ts', 'test/cluster/install.test.ts'],
    concurrency: 1,
    fileTimeoutMs: 20 * minuteMs,
    missing: () => [...new Set([...missingForBpf(), ...missingOfMachine()])],
    prepare: prepareParts,
  },
]

/** What of a suite runs with all others, absolute. */
export function shortFilesOf(suite: Suite): readonly string[] {
  return suite.short?.map((file) => join(root, file)) ?? filesOf(suite)
}

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
