import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { loadNative, type Native } from '../../../src/nodeproxy/native.ts'
import { type Keeper, openKeeper } from '../../../src/nodeproxy/keeper/client.ts'
import { builtKeeper, type KeeperProgram } from '../../../src/nodeproxy/keeper/start.ts'
import { realTime } from '../../../src/nodeproxy/time/scheduler.ts'
import type { ProxyAnswer, ProxyOrder } from './keeper-proxy.ts'
import { defer, eventually, scratchBpffs, scratchDir } from './scratch.ts'

const fixture = join(import.meta.dirname, '../../../build/bpf/fixture-addon.bpf.o')

/**
 * A keeper with its pins in a bpffs of its own; processes, pins and files are gone after the test.
 */
export interface KeeperRig {
  readonly native: Native
  readonly program: KeeperProgram
  /** Shared with the kernel: the youngest beats, the pairs' switches, what sockets hold unread. */
  readonly beats: BigUint64Array
  readonly pairControl: BigUint64Array
  readonly queued: BigUint64Array
  readonly programs: Readonly<Record<string, number>>
  /** This process as a proxy. */
  connect(onReplaced?: (error: Error | undefined) => void): Promise<Keeper>
  /** A proxy that can be killed; it has opened the keeper. */
  proxy(): Promise<TestProxy>
  netns(...addresses: string[]): { readonly fd: number; readonly path: string }
}

export interface TestProxy {
  order(order: ProxyOrder): Promise<number>
  /** Resolves with the answer that comes after the one to an order. */
  nextAnswer(): Promise<number>
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
}

export function createKeeperRig(t: TestContext, changes: Partial<KeeperProgram> = {}): KeeperRig {
  const native = loadNative()
  const object = native.bpfLoad(fixture, { skip: ['out_of_bounds'] })
  const bpffs = scratchBpffs(t)
  const pin = (name: string, fds: Readonly<Record<string, number>>): string => {
    native.bpfPin(fds[name] ?? -1, join(bpffs, name))
    return join(bpffs, name)
  }
  const memory = (map: string): BigUint64Array =>
    new BigUint64Array(native.bpfMapMmap(object.maps[map] ?? -1))
  const program: KeeperProgram = {
    executable: builtKeeper(),
    socketPath: join(scratchDir(t), 'keeper.sock'),
    generationsPin: pin('generations', object.maps),
    pairControlPin: pin('pair_control', object.maps),
    queryQueuePin: pin('query_queued', object.programs),
    ...changes,
  }
  defer(t, () => object.close())
  endKeepersAfter(t, program)
  return {
    native,
    program,
    beats: memory('generations'),
    pairControl: memory('pair_control'),
    queued: memory('queued'),
    programs: object.programs,
    async connect(onReplaced = () => {}) {
      const options = { native, program, generation: 1, scheduler: realTime, onReplaced }
      const keeper = await openKeeper(options)
      defer(t, () => keeper.close())
      return keeper
    },
    async proxy() {
      const proxy = startProxy(t)
      await proxy.order({ do: 'open', program })
      return proxy
    },
    netns(...addresses) {
      const fd = native.netnsCreate(addresses)
      defer(t, () => native.closeFd(fd))
      return { fd, path: `/proc/${process.pid}/fd/${fd}` }
    },
  }
}

/** Those that serve at this socket, or were started to. */
export function keeperProcesses(program: KeeperProgram): readonly number[] {
  const named = `--socket\0${program.socketPath}\0`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(named)
      } catch {
        return false // gone since
      }
    })
    .map(Number)
}

/**
 * A keeper outlives whoever started it. One of several that were started at once may still be on
 * its way, and would serve when it finds the others ended: all of them are to end.
 */
function endKeepersAfter(t: TestContext, program: KeeperProgram): void {
  defer(t, async () => {
    const asked = new Set<number>()
    await eventually('the end of the keepers', () => {
      const running = keeperProcesses(program)
      for (const pid of running.filter((each) => !asked.has(each))) end(pid)
      for (const pid of running) asked.add(pid)
      return running.length === 0
    })
  })
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch {
    // Ended since it was seen.
  }
}

function startProxy(t: TestContext): TestProxy {
  const child = fork(join(import.meta.dirname, 'keeper-proxy.ts'), { stdio: 'inherit' })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = (): Promise<void> => {
    child.kill('SIGKILL')
    return gone
  }
  defer(t, kill)
  return {
    order(order) {
      child.send(order)
      return nextAnswer(child)
    },
    nextAnswer: () => nextAnswer(child),
    kill,
  }
}

function nextAnswer(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer: ProxyAnswer | { error: string }) => {
      if ('error' in answer) reject(new Error(answer.error))
      else resolve(answer.port)
    })
  })
}
