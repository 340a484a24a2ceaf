import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { cgroup2Mount } from '../../../src/lab/mounts.ts'
import type { CounterName } from '../../../src/nodeproxy/kernel/counters.ts'
import { layoutVersion } from '../../../src/nodeproxy/kernel/abi.ts'
import { u32Bytes, u64Bytes } from '../../../src/nodeproxy/kernel/layout.ts'
import type { MapName } from '../../../src/nodeproxy/kernel/maps.ts'
import type { Kernel, KernelOptions } from '../../../src/nodeproxy/kernel/kernel.ts'
import { openKernel } from '../../../src/nodeproxy/kernel/open.ts'
import { defaultSettings, type Settings } from '../../../src/nodeproxy/kernel/settings.ts'
import { loadNative, type Native } from '../../../src/nodeproxy/native.ts'
import { removeCgroup, uniqueName } from './leftovers.ts'
import { defer as deferUntil, ownCgroup } from './scratch.ts'

export const objectDir = join(import.meta.dirname, '../../../build/bpf')

/** One node's kernel part in a bpffs and in cgroups of its own, all of it gone after the test. */
export interface Rig {
  readonly native: Native
  readonly kernel: Kernel
  readonly options: KernelOptions
  readonly cgroups: Cgroups
  readonly generation: number
  /** Runs with this process in the proxy's cgroup; else it is in an app's. */
  asProxy<T>(work: () => T): T
  asProxyAsync<T>(work: () => Promise<T>): Promise<T>
  asKubelet<T>(work: () => T): T
  /** As a process that no pod and no proxy has: outside the hooks' cgroup. */
  asOutsider<T>(work: () => T): T
  /** The proxy's last heartbeat lies so far back; negative ones are still to come. */
  beat(ageMs: number): void
  /** What the counters rose by in `work`; names that did not change are left out. */
  counted<T>(work: () => T): { result: T; rose: Rise }
  countedAsync<T>(work: () => Promise<T>): Promise<{ result: T; rose: Rise }>
  /** A descriptor of one of the node's maps, for what the Kernel has no method for. */
  map(name: MapName): number
  setActiveLayout(version: number): void
  /** Cleans up before what was made before. */
  readonly defer: (step: () => void) => void
  /** Another Kernel on the same pins, as a restarted proxy opens it. */
  reopen(changes?: Partial<KernelOptions>): Kernel
}

export interface Cgroups {
  readonly root: string
  readonly pods: string
  readonly app: string
  readonly proxy: string
  readonly kubelet: string
}

export interface RigOptions {
  readonly settings?: Partial<Settings>
  readonly mapSizes?: KernelOptions['mapSizes']
  /** Also modes of acceleration that this kernel does not serve: what the hooks do with them. */
  readonly everyMode?: boolean
  /** Do not go live. */
  readonly idle?: boolean
}

export function createRig(t: TestContext, rigOptions: RigOptions = {}): Rig {
  const native = loadNative()
  const defer: Defer = (step) => deferUntil(t, step)
  const name = uniqueName('bpf')
  const bpffsDir = mountBpffs(defer, name)
  const cgroups = makeCgroups(defer, name)
  const options: KernelOptions = {
    native,
    objectDir,
    bpffsDir,
    node: 'test.node_1',
    podsCgroupDir: cgroups.pods,
    probeCgroupDir: cgroups.kubelet,
    settings: { ...defaultSettings, ...rigOptions.settings },
    mapSizes: {
      pods: 64,
      origins: 1024,
      bypasses: 256,
      sockets: 1024,
      pairSlots: 64,
      ...rigOptions.mapSizes,
    },
  }
  const open = (changes: Partial<KernelOptions>): Kernel => {
    const next = openKernel({ ...options, ...changes })
    if (rigOptions.everyMode === true) next.setSettings({ acceleration: ['auto', 'full'] })
    return next
  }
  const kernel = open({})
  const opened = [kernel]
  defer(() => {
    for (const other of opened.slice(1)) other.close()
    kernel.uninstall()
  })
  const generation = kernel.claimGeneration(cgroupId(cgroups.proxy))
  const beats = new BigUint64Array(native.bpfMapMmap(kernel.fds.generationsMapFd))
  const beat = (ageMs: number): void => {
    beats[generation] = native.clockMonotonicNs() - BigInt(ageMs) * 1_000_000n
  }
  beat(-3_600_000)
  if (rigOptions.idle !== true) kernel.goLive()
  const map = openMaps(defer, native, join(bpffsDir, 'sluice'))
  return {
    native,
    kernel,
    options,
    cgroups,
    generation,
    defer,
    asProxy: (work) => inCgroup(cgroups.proxy, cgroups.app, work),
    asProxyAsync: async (work) => {
      enter(cgroups.proxy)
      return work().finally(() => enter(cgroups.app))
    },
    asKubelet: (work) => inCgroup(cgroups.kubelet, cgroups.app, work),
    asOutsider: (work) => inCgroup(cgroups.root, cgroups.app, work),
    beat,
    counted: (work) => {
      const before = kernel.counters()
      return { result: work(), rose: riseSince(kernel, before) }
    },
    countedAsync: async (work) => {
      const before = kernel.counters()
      return { result: await work(), rose: riseSince(kernel, before) }
    },
    map,
    setActiveLayout: (version) => {
      const bytes = u64Bytes(BigInt(version))
      native.bpfMapUpdate(map('active_layout'), u32Bytes(0), bytes, 0)
    },
    reopen: (changes) => {
      const next = open(changes ?? {})
      opened.push(next)
      return next
    },
  }
}

function openMaps(defer: Defer, native: Native, directory: string): (name: MapName) => number {
  const fds = new Map<MapName, number>()
  defer(() => {
    for (const fd of fds.values()) native.closeFd(fd)
  })
  const [node = ''] = readdirSync(directory)
  return (name) => {
    const shared = name === 'active_layout' ? name : `v${layoutVersion}/maps/${name}`
    const fd = fds.get(name) ?? native.bpfGetPinned(join(directory, node, shared))
    if (fd < 0) throw new Error(`map ${name} is not pinned: errno ${-fd}`)
    fds.set(name, fd)
    return fd
  }
}

export function cgroupId(dir: string): bigint {
  return statSync(dir, { bigint: true }).ino
}

type Defer = (step: () => void) => void

export type Rise = Partial<Record<CounterName, number>>

function riseSince(kernel: Kernel, before: Readonly<Record<CounterName, bigint>>): Rise {
  const rose: Rise = {}
  for (const [name, value] of Object.entries(kernel.counters()) as [CounterName, bigint][]) {
    // Other processes of the machine make system calls, too.
    if (name === 'traceUntouched') continue
    if (value !== before[name]) rose[name] = Number(value - before[name])
  }
  return rose
}

function mountBpffs(defer: Defer, name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `${name}-`))
  execFileSync('mount', ['-t', 'bpf', name, dir])
  defer(() => {
    execFileSync('umount', ['-l', dir])
    rmdirSync(dir)
  })
  return dir
}

function makeCgroups(defer: Defer, name: string): Cgroups {
  const mount = cgroup2Mount()
  const root = join(mount, name)
  const pods = join(root, 'kubepods')
  const dirs = { root, pods, app: join(pods, 'app'), proxy: join(pods, 'proxy') }
  const cgroups = { ...dirs, kubelet: join(root, 'kubelet') }
  for (const dir of Object.values(cgroups)) mkdirSync(dir, { recursive: true })
  const home = join(mount, ownCgroup())
  enter(cgroups.app)
  defer(() => {
    enter(home)
    if (existsSync(root)) removeCgroup(root)
  })
  return cgroups
}

function enter(dir: string): void {
  writeFileSync(join(dir, 'cgroup.procs'), `${process.pid}`)
}

function inCgroup<T>(dir: string, home: string, work: () => T): T {
  enter(dir)
  try {
    return work()
  } finally {
    enter(home)
  }
}
