import { closeSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BpfObject, Native } from '../native.ts'
import {
  addressBytes,
  forget,
  type ProbeSlot,
  readSeen,
  type Seen,
  writeConfig,
} from './probe-maps.ts'
import { createSocketBench, type SocketBench } from './sockets.ts'

/**
 * The probe objects. What is loaded shares its maps with what was loaded before, by their names.
 */
export interface Loader extends Disposable {
  /**
   * Loads an object of build/bpf once; later calls give the same. It stays until the loader is
   * disposed.
   */
  load(name: string, skip?: readonly string[]): BpfObject
  /** A shared map, once an object that has it is loaded. */
  map(name: string): number
}

/** Where probes play: a cgroup and a network namespace of their own. */
export interface Stage extends Disposable {
  readonly native: Native
  readonly netnsFd: number
  load(name: string, skip?: readonly string[]): BpfObject
  /** Links a program to the scratch cgroup or namespace until the returned link is disposed. */
  link(programFd: number, target: 'cgroup' | 'netns', attachType: number): Disposable
  /** Sockets in the scratch namespace. */
  sockets(): SocketBench
  /** Tells the probe programs what to rewrite to. */
  configure(target: string, ports: { servicePort: number; targetPort: number }): void
  seen(slot: ProbeSlot): Seen
  forget(slot: ProbeSlot): void
}

export interface StageOptions {
  readonly native: Native
  readonly loader: Loader
  readonly cgroupPath: string
  readonly netnsFd: number
}

export function createLoader(native: Native, objectDir: string): Loader {
  const stack = new DisposableStack()
  const loaded = new Map<string, BpfObject>()
  const shared: Record<string, number> = {}
  return {
    load: (name, skip = []) => {
      const key = [name, ...skip].join()
      const before = loaded.get(key)
      if (before !== undefined) return before
      const object = native.bpfLoad(join(objectDir, `${name}.bpf.o`), { reuse: shared, skip })
      stack.defer(() => object.close())
      for (const [map, fd] of Object.entries(object.maps)) shared[map] ??= fd
      loaded.set(key, object)
      return object
    },
    map: (name) => {
      const fd = shared[name]
      if (fd === undefined) throw new Error(`no loaded probe has the map ${name}`)
      return fd
    },
    [Symbol.dispose]: () => stack.dispose(),
  }
}

/** Nothing is attached yet. Throws when the cgroup is gone. */
export function createStage({ native, loader, cgroupPath, netnsFd }: StageOptions): Stage {
  const cgroupFd = openSync(cgroupPath, 'r')
  const cgroupId = statSync(cgroupPath, { bigint: true }).ino
  return {
    native,
    netnsFd,
    load: (name, skip) => loader.load(name, skip),
    link: (programFd, target, attachType) => {
      const targetFd = target === 'cgroup' ? cgroupFd : netnsFd
      const fd = native.bpfLinkCreate(programFd, targetFd, attachType)
      return { [Symbol.dispose]: () => native.closeFd(fd) }
    },
    sockets: () => createSocketBench(native, netnsFd),
    configure: (target, ports) => {
      const config = { cgroupId, target: addressBytes(target), ...ports }
      writeConfig(native, loader.map('probe_config'), config)
    },
    seen: (slot) => readSeen(native, loader.map('probe_seen'), slot),
    forget: (slot) => forget(native, loader.map('probe_seen'), slot),
    [Symbol.dispose]: () => closeSync(cgroupFd),
  }
}

/** A program of a loaded object, by its C name. */
export function programOf(object: BpfObject, name: string): number {
  const fd = object.programs[name]
  if (fd === undefined)
    throw new Error(`program ${name} is not in its object: not built from this version?`)
  return fd
}

/** A map of a loaded object, by its C name. */
export function mapOf(object: BpfObject, name: string): number {
  const fd = object.maps[name]
  if (fd === undefined)
    throw new Error(`map ${name} is not in its object: not built from this version?`)
  return fd
}
