import { join } from 'node:path'
import type { MeshSettings } from '../model/resources.ts'
import type { PodRow } from '../model/status.ts'
import { defaultMesh } from '../operator/compile/compile.ts'
import { type GrpcDoor, grpcDoor } from '../operator/lab/grpc-door.ts'
import type { PublisherStatus } from '../operator/publish/publisher.ts'
import type { Lab } from './lab.ts'
import type { OperatorAnswer, OperatorOrder } from './operator-process.ts'
import { enterArgv } from './process/enter.ts'
import { type Exit, startProcess } from './process/process.ts'

export type SettingChanges = Partial<Omit<MeshSettings, 'type'>>

/** The lab's operator: nodes are fed with the lab's objects, as they change. */
export interface ConfigServer {
  /** Where nodes reach it. */
  readonly socket: string
  /** Where they reach it by gRPC, as in a cluster. */
  readonly grpc: GrpcDoor
  readonly settings: MeshSettings
  /** Nodes see it as an operator that was restarted with other settings. */
  changeSettings(changes: SettingChanges): Promise<void>
  /** Objects beside the lab's own, as YAML would give them: right ones and wrong ones. */
  setExtraObjects(objects: readonly unknown[]): Promise<void>
  /**
   * What is wrong with the objects, in words. Everything that was changed before the call is
   * published.
   */
  problems(): Promise<readonly string[]>
  /** Likewise. Nodes that have taken everything wait for nothing. */
  status(): Promise<PublisherStatus>
  /** Likewise: each pod as the nodes that are fed by gRPC tell of it. */
  pods(): Promise<readonly PodRow[]>
  /** The operator goes away: nodes keep what they have. */
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

const program = join(import.meta.dirname, 'operator-process.ts')

export async function serveConfig(lab: Lab, changes: SettingChanges = {}): Promise<ConfigServer> {
  const socket = join(lab.paths.run, 'config.sock')
  const grpcFolder = join(lab.paths.run, 'operator')
  let settings: MeshSettings = { ...defaultMesh, ...changes }
  let extra: readonly unknown[] = []
  let operator: Operator | undefined
  const objects = () => [...lab.objects.list(), ...extra]
  const running = () => {
    if (operator === undefined) throw new Error("the lab's operator is away: resume it first")
    return operator
  }
  const resume = async () => {
    operator ??= startOperator(lab, [socket, grpcFolder], objects)
    await operator.restart(settings)
  }
  const pause = async () => {
    const stopped = operator
    operator = undefined
    await stopped?.stop()
  }
  await resume()
  const unwatch = lab.objects.watch(() => operator?.publish())
  return {
    socket,
    grpc: grpcDoor(grpcFolder),
    get settings() {
      return settings
    },
    changeSettings: async (more) => {
      settings = { ...settings, ...more }
      await operator?.restart(settings)
    },
    setExtraObjects: async (more) => {
      extra = more
      operator?.publish()
      await operator?.answer()
    },
    problems: async () => (await running().answer()).problems,
    status: async () => (await running().answer()).status,
    pods: async () => (await running().answer()).pods,
    pause,
    resume,
    close: async () => {
      unwatch()
      await pause()
    },
  }
}

interface Operator {
  /** The objects changed: tells it soon. Many changes while it works on some are one next order. */
  publish(): void
  restart(settings: MeshSettings): Promise<OperatorAnswer>
  /** What it says once it has everything. @throws Error with what it said when it ended */
  answer(): Promise<OperatorAnswer>
  stop(): Promise<Exit>
}

function startOperator(
  lab: Lab,
  args: readonly string[],
  objects: () => readonly unknown[],
): Operator {
  const argv = [process.execPath, program, ...args]
  const started = startProcess(enterArgv({ cgroup: lab.paths.cgroup }, argv))
  const waiting: PromiseWithResolvers<OperatorAnswer>[] = []
  let changed = true
  started.onLine((line) => waiting.shift()?.resolve(JSON.parse(line) as OperatorAnswer))
  void started.exited.finally(() => {
    const error = new Error(`the lab's operator ended: ${started.stderr()}`)
    for (const one of waiting.splice(0)) one.reject(error)
  })
  const send = (order: OperatorOrder) => {
    const answer = Promise.withResolvers<OperatorAnswer>()
    waiting.push(answer)
    started.stdin.write(
      `${JSON.stringify({ ...order, ...(changed ? { objects: objects() } : {}) })}\n`,
    )
    changed = false
    // Whoever asks for the answer is told of a failure; nobody else need be.
    void answer.promise.then(pump, () => {})
    return answer.promise
  }
  const pump = () => {
    if (changed && waiting.length === 0) void send({}).catch(() => {})
  }
  return {
    publish: () => {
      changed = true
      setImmediate(pump)
    },
    restart: (settings) => send({ settings }),
    answer: () => send({}),
    stop: () => started.stop(),
  }
}
