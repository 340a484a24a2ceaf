import type { MeshSettings } from '../model/resources.ts'
import { defaultMesh } from '../operator/compile/compile.ts'
import { type LabServer, startLabServer } from '../operator/lab-server.ts'
import type { PublisherStatus } from '../operator/publish/publisher.ts'
import type { ObjectStore } from './kube/store.ts'

export type SettingChanges = Partial<Omit<MeshSettings, 'type'>>

/** The lab's operator: nodes are fed with the lab's objects, as they change. */
export interface ConfigServer {
  /** Where nodes reach it. */
  readonly socket: string
  readonly settings: MeshSettings
  /** Nodes see it as an operator that was restarted with other settings. */
  changeSettings(changes: SettingChanges): Promise<void>
  /** Objects beside the lab's own, as YAML would give them: right ones and wrong ones. */
  setExtraObjects(objects: readonly unknown[]): void
  /** What is wrong with the objects, in words. */
  problems(): readonly string[]
  /** Undefined while paused. */
  status(): PublisherStatus | undefined
  /** The operator goes away: nodes keep what they have. */
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

export async function serveConfig(
  socket: string,
  store: ObjectStore,
  changes: SettingChanges = {},
): Promise<ConfigServer> {
  let settings: MeshSettings = { ...defaultMesh, ...changes }
  let extra: readonly unknown[] = []
  let server: LabServer | undefined
  const objects = () => [...store.list(), ...extra]
  const publish = () => void server?.replace(objects())
  const resume = async () => {
    server ??= await startLabServer({ path: socket, objects: objects(), mesh: settings })
    // What changed while it started.
    publish()
  }
  const pause = async () => {
    const running = server
    server = undefined
    await running?.close()
  }
  await resume()
  const unwatch = store.watch(publish)
  return {
    socket,
    get settings() {
      return settings
    },
    changeSettings: async (more) => {
      settings = { ...settings, ...more }
      await pause()
      await resume()
    },
    setExtraObjects: (more) => {
      extra = more
      publish()
    },
    problems: () => server?.problems ?? [],
    status: () => server?.status(),
    pause,
    resume,
    close: async () => {
      unwatch()
      await pause()
    },
  }
}
