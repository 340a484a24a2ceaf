import { rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { decodeClientMessage } from '../model/codec/client-codec.ts'
import { createLineSplitter } from '../model/codec/lines.ts'
import type { ClientMessage, ServerMessage } from '../model/codec/messages.ts'
import { encodeServerMessage } from '../model/codec/server-codec.ts'
import type { MeshSettings } from '../model/resources.ts'
import { compile, type CompileResult, defaultMesh } from '../operator/compile/compile.ts'
import type { Problem } from '../operator/compile/problem.ts'
import { createPublisher, type Publisher } from '../operator/publish/publisher.ts'
import type { NodeSession, SessionStatus } from '../operator/publish/session.ts'
import type { ObjectStore } from './kube/store.ts'

/** The operator of a lab: compiles the lab's objects and feeds the nodes over a Unix socket. */
export interface ConfigServer {
  readonly socket: string
  /** In force now. */
  readonly settings: MeshSettings
  changeSettings(changes: Partial<Omit<MeshSettings, 'type'>>): void
  /** Further objects, as YAML would give them: right ones and wrong ones. */
  setExtraObjects(objects: readonly unknown[]): void
  /** What the compiler says of the objects. */
  problems(): readonly Problem[]
  sessions(): readonly SessionStatus[]
  /** Stops serving, as when the operator is away: nodes keep what they have. */
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

const LONGEST_LINE = 1 << 20

export async function serveConfig(
  socket: string,
  store: ObjectStore,
  settings: Partial<Omit<MeshSettings, 'type'>> = {},
): Promise<ConfigServer> {
  const publisher = createPublisher(`lab-${Date.now()}`)
  let mesh: MeshSettings = { ...defaultMesh, ...settings }
  let extra: readonly unknown[] = []
  let compiled: CompileResult | undefined
  const publish = () => {
    const objects = [...store.list(), ...extra]
    compiled = compile(objects, { mesh, ...(compiled === undefined ? {} : { previous: compiled }) })
    publisher.replace(compiled.resources)
  }
  publish()
  const unwatch = store.watch(publish)
  const listener = createListener(socket, publisher)
  await listener.open()
  return {
    socket,
    get settings() {
      return mesh
    },
    changeSettings: (changes) => {
      mesh = { ...mesh, ...changes }
      publish()
    },
    setExtraObjects: (objects) => {
      extra = objects
      publish()
    },
    problems: () => compiled?.problems ?? [],
    sessions: () => publisher.status().sessions,
    pause: () => listener.close(),
    resume: () => listener.open(),
    close: async () => {
      unwatch()
      await listener.close()
    },
  }
}

function createListener(path: string, publisher: Publisher) {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    serveNode(socket, publisher)
  })
  return {
    open: () =>
      new Promise<void>((resolve, reject) => {
        rmSync(path, { force: true })
        server.once('error', reject)
        server.listen(path, resolve)
      }),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

/** One stream. Whoever can reach the socket is believed to be the node it says: this is a lab. */
function serveNode(socket: Socket, publisher: Publisher): void {
  const lines = createLineSplitter(LONGEST_LINE)
  let session: NodeSession | undefined
  const send = (message: ServerMessage) => socket.write(`${encodeServerMessage(message)}\n`)
  const onMessage = (message: ClientMessage) => {
    if (message.type === 'hello') {
      session = publisher.connect(message.node, message.subscribe, (delta) =>
        send({ type: 'delta', delta }),
      )
    } else if (session !== undefined) {
      act(session, message)
    }
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const line of lines.push(chunk)) {
        const decoded = decodeClientMessage(line)
        if (!decoded.ok) throw new Error(decoded.error)
        onMessage(decoded.value)
      }
    } catch (error) {
      send({ type: 'error', error: error instanceof Error ? error.message : String(error) })
      socket.end()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => session?.close())
}

function act(session: NodeSession, message: Exclude<ClientMessage, { type: 'hello' }>): void {
  switch (message.type) {
    case 'subscribe':
      session.subscribe(message.names)
      return
    case 'unsubscribe':
      session.unsubscribe(message.names)
      return
    case 'ack':
      session.ack(message.nonce)
      return
    case 'nack':
      session.nack(message.nonce, message.error, message.rejected)
  }
}
