import { existsSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createLineSplitter } from '../model/codec/lines.ts'
import { encodeServerMessage } from '../model/codec/server-codec.ts'
import type { MeshSettings } from '../model/resources.ts'
import type { PodRow } from '../model/status.ts'
import { type CompileResult, compile } from './compile/compile.ts'
import { formatProblem } from './compile/problem.ts'
import { decodeCommand, isCommand, type LabCommand } from './lab/commands.ts'
import { openGrpcDoor } from './lab/grpc-door.ts'
import { createObjectSet, type ObjectReference, type ObjectSet } from './lab/object-set.ts'
import { createYamlFiles, type YamlFiles } from './lab/yaml-files.ts'
import { createLineStream, type LineStream } from './publish/line-stream.ts'
import { createPublisher, type Publisher, type PublisherStatus } from './publish/publisher.ts'
import { openReportBook } from './report/report-book.ts'
import { podRows } from './report/status-rows.ts'

export interface LabServerOptions {
  /** Of the Unix socket; a socket that an earlier server left is replaced. */
  readonly path: string
  /** Serves gRPC too, in this folder: see lab/grpc-door.ts. */
  readonly grpcFolder?: string
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
  /**
   * Changes that are made in one turn of the event loop are compiled and published once, after it.
   */
  replace(objects: readonly unknown[]): void
  apply(objects: readonly unknown[]): void
  remove(references: readonly ObjectReference[]): void
  /** Null takes an annotation away. @throws Error when there is no such object */
  annotate(reference: ObjectReference, annotations: Readonly<Record<string, string | null>>): void
  /** What is wrong with the objects, as they are now. */
  readonly problems: readonly string[]
  readonly compiled: CompileResult
  status(): PublisherStatus
  /** What the nodes that are fed by gRPC say of each pod. */
  pods(): readonly PodRow[]
  close(): Promise<void>
}

const maxLineBytes = 16 * 1_048_576

/**
 * Starts it; it listens when the promise resolves. Nodes are who they say they are, as a lab may
 * have it. A stream begins with a node's hello; a line with a `command` (see lab/commands.ts) is
 * answered by one line of JSON.
 * @throws Error when it cannot listen there
 */
export async function startLabServer(options: LabServerOptions): Promise<LabServer> {
  const { path } = options
  const publisher = createPublisher(`lab-${process.pid}`)
  const reports = openReportBook(publisher)
  const set = createObjectSet()
  const files = createYamlFiles(options.files ?? [])
  const output = createOutput(publisher, set, files, options)
  set.apply(options.objects ?? [])
  output.now()
  const server = createServer()
  const change = changes(set, output.soon)
  const sockets = serveConnections(server, {
    openStream: (send) => createLineStream(publisher, send),
    run(command) {
      run(command, change)
      const { problems } = output.now()
      return command.command === 'status' ? { status: publisher.status() } : { problems }
    },
  })
  await listen(server, path)
  const { grpcFolder } = options
  const door =
    grpcFolder === undefined ? undefined : await openGrpcDoor(grpcFolder, publisher, reports)
  const stopWatching = files.watch(output.soon)

  const close = async () => {
    stopWatching()
    output.close()
    for (const socket of sockets) socket.destroy()
    await door?.close()
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  }
  return {
    path,
    ...change,
    get problems() {
      return output.now().problems
    },
    get compiled() {
      return output.now().compiled
    },
    status() {
      output.now()
      return publisher.status()
    },
    pods: () => podRows(publisher.snapshot, reports, undefined),
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface Output {
  /** Compiles and publishes what is not yet. */
  now(): { readonly compiled: CompileResult; readonly problems: readonly string[] }
  readonly soon: () => void
  close(): void
}

function createOutput(
  publisher: Publisher,
  set: ObjectSet,
  files: YamlFiles,
  { mesh, onProblems = () => {} }: LabServerOptions,
): Output {
  let scheduled: NodeJS.Immediate | undefined
  let compiled: CompileResult | undefined
  let problems: readonly string[] = []

  function publish(): CompileResult {
    clearImmediate(scheduled)
    scheduled = undefined
    const fileErrors = files.read()
    const result = compile([...files.objects(), ...set.list()], {
      placeOf: (object) => files.placeOf(object),
      ...(mesh === undefined ? {} : { mesh }),
      ...(compiled === undefined ? {} : { previous: compiled }),
    })
    compiled = result
    publisher.replace(result.resources)
    const before = problems.join('\n')
    problems = [...fileErrors, ...result.problems.map(formatProblem)]
    if (problems.join('\n') !== before) onProblems(problems)
    return result
  }

  return {
    now() {
      const current = compiled === undefined || scheduled !== undefined ? publish() : compiled
      return { compiled: current, problems }
    },
    soon() {
      scheduled ??= setImmediate(publish)
    },
    close: () => clearImmediate(scheduled),
  }
}

type Changes = Pick<LabServer, 'replace' | 'apply' | 'remove' | 'annotate'>

function changes(set: ObjectSet, soon: () => void): Changes {
  return {
    replace(objects) {
      set.replace(objects)
      soon()
    },
    apply(objects) {
      set.apply(objects)
      soon()
    },
    remove(references) {
      set.remove(references)
      soon()
    },
    annotate(reference, annotations) {
      set.annotate(reference, annotations)
      soon()
    },
  }
}

function run(command: LabCommand, change: Changes): void {
  switch (command.command) {
    case 'apply':
      change.apply(command.objects)
      break
    case 'replace':
      change.replace(command.objects)
      break
    case 'delete':
      change.remove(command.references)
      break
    case 'annotate':
      change.annotate(command.reference, command.annotations)
      break
    default:
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
      // What comes after an error is read and thrown away, so that the other side gets to read the
      // error.
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
