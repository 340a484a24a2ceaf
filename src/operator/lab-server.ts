import { existsSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createLineSplitter } from '../model/codec/lines.ts'
import { encodeServerMessage } from '../model/codec/server-codec.ts'
import type { MeshSettings } from '../model/resources.ts'
import { type CompileResult, compile } from './compile/compile.ts'
import { formatProblem } from './compile/problem.ts'
import { decodeCommand, isCommand, type LabCommand } from './lab/commands.ts'
import { createObjectSet, type ObjectReference, type ObjectSet } from './lab/object-set.ts'
import { createYamlFiles } from './lab/yaml-files.ts'
import { createLineStream, type LineStream } from './publish/line-stream.ts'
import { createPublisher, type PublisherStatus } from './publish/publisher.ts'

export interface LabServerOptions {
  /** Of the Unix socket; a socket that an earlier server left is replaced. */
  readonly path: string
  readonly objects?: readonly unknown[]
  /** YAML files or folders; read again when they change. */
  readonly files?: readonly string[]
  readonly mesh?: MeshSettings
  /** All that is wrong with the objects, each time that changes; empty when all is well again. */
  readonly onProblems?: (problems: readonly string[]) => void
}

/** The operator of a lab: compiles objects and serves them to nodes over a Unix socket. */
export interface LabServer extends AsyncDisposable {
  readonly path: string
  /** Each compiles and publishes before it returns, and gives what is wrong with the objects now. */
  replace(objects: readonly unknown[]): readonly string[]
  apply(objects: readonly unknown[]): readonly string[]
  remove(references: readonly ObjectReference[]): readonly string[]
  /** Null takes an annotation away. @throws Error when there is no such object */
  annotate(
    reference: ObjectReference,
    annotations: Readonly<Record<string, string | null>>,
  ): readonly string[]
  readonly problems: readonly string[]
  readonly compiled: CompileResult
  status(): PublisherStatus
  close(): Promise<void>
}

const maxLineBytes = 16 * 1_048_576

/**
 * Starts it; it listens when the promise resolves. Nodes are who they say they are, as a lab may have it. A stream begins with a node's hello; a line with a
 * `command` (see lab/commands.ts) is answered by one line of JSON.
 * @throws Error when it cannot listen there
 */
export async function startLabServer(options: LabServerOptions): Promise<LabServer> {
  const { path, mesh, onProblems = () => {} } = options
  const publisher = createPublisher(`lab-${process.pid}`)
  const set = createObjectSet()
  const files = createYamlFiles(options.files ?? [])
  let compiled: CompileResult | undefined
  let problems: readonly string[] = []

  function publish(): readonly string[] {
    const fileErrors = files.read()
    compiled = compile([...files.objects(), ...set.list()], {
      placeOf: (object) => files.placeOf(object),
      ...(mesh === undefined ? {} : { mesh }),
      ...(compiled === undefined ? {} : { previous: compiled }),
    })
    publisher.replace(compiled.resources)
    const now = [...fileErrors, ...compiled.problems.map(formatProblem)]
    if (now.join('\n') !== problems.join('\n')) onProblems(now)
    problems = now
    return problems
  }

  set.apply(options.objects ?? [])
  publish()
  const server = createServer()
  const change = changes(set, publish)
  const sockets = serveConnections(server, {
    openStream: (send) => createLineStream(publisher, send),
    run: (command) => run(command, change, () => publisher.status()),
  })
  await listen(server, path)
  const stopWatching = files.watch(publish)

  const close = async () => {
    stopWatching()
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  }
  return {
    path,
    ...change,
    get problems() {
      return problems
    },
    get compiled() {
      return compiled ?? compile([])
    },
    status: () => publisher.status(),
    close,
    [Symbol.asyncDispose]: close,
  }
}

type Changes = Pick<LabServer, 'replace' | 'apply' | 'remove' | 'annotate'>

function changes(set: ObjectSet, publish: () => readonly string[]): Changes {
  return {
    replace(objects) {
      set.replace(objects)
      return publish()
    },
    apply(objects) {
      set.apply(objects)
      return publish()
    },
    remove(references) {
      set.remove(references)
      return publish()
    },
    annotate(reference, annotations) {
      set.annotate(reference, annotations)
      return publish()
    },
  }
}

function run(command: LabCommand, change: Changes, status: () => PublisherStatus): object {
  switch (command.command) {
    case 'apply':
      return { problems: change.apply(command.objects) }
    case 'replace':
      return { problems: change.replace(command.objects) }
    case 'delete':
      return { problems: change.remove(command.references) }
    case 'annotate':
      return { problems: change.annotate(command.reference, command.annotations) }
    default:
      return { status: status() }
  }
}

interface ConnectionHandles {
  readonly openStream: (send: (line: string) => void) => LineStream
  /** @throws Error: the command's answer */
  readonly run: (command: LabCommand) => object
}

function serveConnections(server: Server, handles: ConnectionHandles): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    const send = (line: string) => void socket.write(`${line}\n`)
    const stream = handles.openStream(send)
    const lines = createLineSplitter(maxLineBytes)
    let ended = false
    socket.on('data', (chunk) => {
      // What comes after an error is read and thrown away, so that the other side gets to read the error.
      if (ended) return
      try {
        for (const line of lines.push(chunk)) {
          if (isCommand(line)) send(answer(line, handles))
          else stream.onLine(line)
        }
      } catch (error) {
        ended = true
        stream.close()
        socket.end(`${encodeServerMessage({ type: 'error', error: causeOf(error) })}\n`)
      }
    })
    // The close that follows an error does the work.
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      stream.close()
    })
  })
  return sockets
}

function answer(line: string, handles: ConnectionHandles): string {
  const decoded = decodeCommand(line)
  if (!decoded.ok) return JSON.stringify({ ok: false, error: decoded.error })
  try {
    return JSON.stringify({ ok: true, ...handles.run(decoded.value) })
  } catch (error) {
    return JSON.stringify({ ok: false, error: causeOf(error) })
  }
}

async function listen(server: Server, path: string): Promise<void> {
  if (existsSync(path)) {
    if (!lstatSync(path).isSocket()) {
      throw new Error(`lab server cannot listen on ${path}: it is no socket: give another path`)
    }
    rmSync(path)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const fix = 'give a path of at most 107 characters in a folder that exists'
      reject(new Error(`lab server cannot listen on ${path}: ${error.message}: ${fix}`))
    })
    server.listen(path, resolve)
  })
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
