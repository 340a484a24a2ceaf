import type { Logger } from 'pino'
import { anyAddress } from '../any-address.ts'
import { createBackOff } from '../model/back-off.ts'
import { packageVersion } from '../package-version.ts'
import { defaultMesh } from './compile/compile.ts'
import type { Kind } from './compile/facts.ts'
import { serviceKey } from './compile/http/resolve-rule.ts'
import { formatProblem } from './compile/problem.ts'
import { type ForeignApis, startForeignApis } from './foreign/foreign-apis.ts'
import type { KeptRoute } from './foreign/http-route.ts'
import { serveOperatorHttp } from './http.ts'
import { tokenReviewer } from './identity/token-reviewer.ts'
import { createIncrementalCompiler, type IncrementalCompiler } from './incremental/compiler.ts'
import type { KubeApi } from './kube/api.ts'
import { type Election, startElection } from './kube/election.ts'
import { type Sources, startSources } from './kube/sources.ts'
import { createOperatorRegistry, type OperatorFacts } from './metrics.ts'
import type { OperatorOptions } from './options.ts'
import { createGrpcServer, type GrpcServer } from './publish/grpc-server.ts'
import { createPublisher, type Publisher } from './publish/publisher.ts'
import type { StreamObserver } from './publish/request-stream.ts'
import { openReportBook, type ReportBook } from './report/report-book.ts'
import { createStatusAnswers, type StatusAnswers } from './report/status-answers.ts'
import { createAuthorityStore } from './serving/authority-store.ts'
import { openServing, type Serving } from './serving/serving.ts'
import { startPodEvents } from './status/pod-events.ts'
import type { RoutesToTell } from './status/route-writer.ts'
import { startTaintRemover } from './status/start-up-taint.ts'
import { startStatusWriter, type StatusWriter } from './status/status-writer.ts'

export interface Operator extends AsyncDisposable {
  readonly grpcPort: number
  readonly httpPort: number
  /** Why it is not ready; empty when it is. */
  readonly notReady: string
  /** Nodes go to another replica, and another one leads. */
  stop(): Promise<void>
}

const renewCertificateMs = 60_000
const spreadMs = 2_000
const maxProblemsTold = 100
const version = packageVersion()

/**
 * Starts one replica. Resolves when it listens. @throws Error when it cannot, naming why
 * @param observer hears what nodes are sent, for whoever measures
 */
export async function startOperator(
  options: OperatorOptions,
  api: KubeApi,
  log: Logger,
  signal: AbortSignal = new AbortController().signal,
  observer?: StreamObserver,
): Promise<Operator> {
  await using undo = new AsyncDisposableStack()
  const serving = await openAuthority(options, api, log, signal)
  const parts = openParts(options, api, log, serving, observer)
  const { sources, foreign, grpc, election, status } = parts
  undo.defer(() => sources.stop())
  undo.defer(() => foreign.stop())
  undo.defer(() => status.stop())
  undo.defer(keepSpreadTold(parts))
  undo.defer(keepPodEvents(parts, options.podName, api, log))
  undo.defer(async () => grpc.close())
  undo.defer(async () => election.stop())
  if (options.startUpTaint) undo.defer(removeTaints(parts, api, log))
  undo.defer(keepRenewed(serving, grpc, () => election.leading, log))
  const grpcPort = await grpc.listen(reachable(options.grpcAddress))
  let stopping = false
  const notReady = () => (stopping ? 'it stops' : notListed(parts))
  const registry = createOperatorRegistry(() => factsOf(parts, serving, notReady() === ''))
  const http = await serveOperatorHttp(options.httpAddress, {
    notReady,
    metrics: async () => registry.metrics(),
    metricsType: registry.contentType,
    status: statusOf(parts, options.podName, notReady),
  })
  undo.defer(async () => http.close())
  const running = undo.move()
  log.info({ grpcPort, httpPort: http.port }, 'serving')
  const stop = async () => {
    stopping = true
    await running.disposeAsync()
  }
  return {
    grpcPort,
    httpPort: http.port,
    get notReady() {
      return notReady()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function reachable(address: string): string {
  return address.replace(/^\[(.*)\](?=:\d+$)/u, (given, host: string) => {
    const any = anyAddress(host)
    return any === host ? given : any
  })
}

async function openAuthority(
  { namespace, servingName }: OperatorOptions,
  api: KubeApi,
  log: Logger,
  signal: AbortSignal,
): Promise<Serving> {
  const names = { secret: 'sluice-serving-ca', configMap: 'sluice-ca' }
  const store = createAuthorityStore({ api, namespace, ...names })
  return withRetries('open the serving authority', log, signal, async () =>
    openServing({ store, names: servingName }),
  )
}

interface Parts {
  readonly publisher: Publisher
  readonly reports: ReportBook
  readonly compiler: IncrementalCompiler
  readonly sources: Sources
  readonly foreign: ForeignApis
  readonly grpc: GrpcServer
  readonly election: Election
  readonly status: StatusWriter
}

function openParts(
  options: OperatorOptions,
  api: KubeApi,
  log: Logger,
  { certificate }: Serving,
  observer: StreamObserver | undefined,
): Parts {
  const { namespace, podName, audience } = options
  // Two runs of one pod must not call different things by one version.
  const publisher = createPublisher(`${podName}-${Date.now().toString(36)}`)
  const compiler = openCompiler(options)
  const logProblems = problemReporter(compiler, log)
  const status = startStatusWriter({
    api,
    podName,
    problems: () => compiler.problems(),
    uidOf: ({ kind, namespace, name }) => compiler.uidOf(kind as Kind, namespace, name),
    meshConfigs: () => sources.meshConfigs,
    meshes: () => foreign.meshes,
    routes: () => routesToTell(foreign, compiler, publisher, options.clusterDomain),
    onError: (error) => log.warn({ error: error.message }, 'status trouble'),
  })
  const onError = (kind: string, error: Error) =>
    log.warn({ kind, error: error.message }, 'source trouble')
  const foreign: ForeignApis = startForeignApis({
    api,
    random: Math.random,
    onError,
    onMeshes: () => status.changed(),
    onHttpRoute: (key, route) => putRoute(compiler, key, route),
    onHttpRoutes() {
      sources.changed()
      status.changed()
    },
  })
  const sources: Sources = startSources({
    api,
    compiler,
    publisher,
    random: Math.random,
    onError,
    othersSynced: () => routesListed(foreign, sources),
    onPublished() {
      logProblems()
      status.changed()
    },
  })
  const reports = openReportBook(publisher)
  const serviceAccount = options.nodeServiceAccount ?? `${namespace}/sluice-nodeproxy`
  const grpc = createGrpcServer({
    publisher,
    reports,
    certificate,
    authenticate: tokenReviewer({ api, audience, serviceAccount }),
    onRefused: (node, reason) => log.warn({ node, reason }, 'a node was refused'),
    ...(observer === undefined ? {} : { observer }),
  })
  const election = startElection({
    api,
    namespace,
    name: 'sluice-operator',
    identity: podName,
    onChange(leading) {
      log.info({ leading }, leading ? 'leads' : 'does not lead')
      status.lead(leading)
    },
    onError: (error) => log.warn({ error: error.message }, 'election trouble'),
  })
  return { publisher, reports, compiler, sources, foreign, grpc, election, status }
}

/** What others' API cannot list holds nothing up once there was a first time. */
function routesListed({ httpRoutes }: ForeignApis, { ready }: Pick<Sources, 'ready'>): boolean {
  const { synced, lastError } = httpRoutes.reflector
  return synced || (ready && lastError !== '')
}

function putRoute(compiler: IncrementalCompiler, key: string, route: KeptRoute | undefined): void {
  if (route !== undefined) {
    compiler.put(route)
    return
  }
  const [namespace = '', name = ''] = key.split('/')
  compiler.remove('HTTPRoute', namespace, name)
}

function routesToTell(
  { httpRoutes }: ForeignApis,
  { routeStatuses }: IncrementalCompiler,
  publisher: Publisher,
  clusterDomain: string,
): RoutesToTell {
  return {
    version: httpRoutes.version,
    objects: httpRoutes.objects,
    statuses: routeStatuses,
    spreadOf: (service) => publisher.spread(`routes/${serviceKey(service, clusterDomain)}`),
  }
}

/** Nodes take routes some time after these were published. @returns what ends it */
function keepSpreadTold({ publisher, foreign, status }: Parts): () => void {
  let seen = publisher.moves
  const timer = setInterval(() => {
    if (publisher.moves === seen || foreign.httpRoutes.objects.size === 0) return
    seen = publisher.moves
    status.changed()
  }, spreadMs)
  return () => clearInterval(timer)
}

/** Empty when everything has been. */
function notListed({ sources, foreign }: Pick<Parts, 'sources' | 'foreign'>): string {
  if (sources.ready) return ''
  const { kind, reflector } = foreign.httpRoutes
  const all = [...sources.reflectors, [kind.kind, reflector] as const]
  const missing = all.filter(([, { synced }]) => !synced)
  const reasons = missing.map(([kind, { lastError }]) => `${kind} ${lastError}`.trim())
  return `not listed yet: ${reasons.join(', ')}`
}

function factsOf(
  { publisher, reports, compiler, sources, foreign, grpc, election }: Parts,
  serving: Serving,
  ready: boolean,
): OperatorFacts {
  return {
    ready,
    leading: election.leading,
    streams: grpc.streams,
    refused: grpc.refused,
    publisher: publisher.status(),
    reports,
    problems: compiler.problems(),
    reflectors: new Map([...sources.reflectors, ...foreign.reflectors]),
    foreign: foreign.rows(),
    certificateEndsMs: serving.endsMs,
  }
}

function statusOf(
  { publisher, reports, election, compiler, foreign }: Parts,
  podName: string,
  notReady: () => string,
): StatusAnswers {
  return createStatusAnswers({
    publisher,
    reports,
    replica: () => ({
      replica: podName,
      version,
      notReady: notReady(),
      leading: election.leading,
      problems: compiler.problems().slice(0, maxProblemsTold).map(formatProblem),
      foreign: foreign.rows(),
    }),
    nowMs: Date.now,
  })
}

function openCompiler(options: OperatorOptions): IncrementalCompiler {
  const { cluster, network, trustDomain, clusterDomain } = options
  const mesh = { ...defaultMesh, cluster, network, trustDomain }
  return createIncrementalCompiler({ mesh, clusterDomain })
}

/** Logs what is wrong with objects, each once as long as it is. */
function problemReporter(compiler: IncrementalCompiler, log: Logger): () => void {
  let version = -1
  let known = new Set<string>()
  return () => {
    if (compiler.problemsVersion === version) return
    version = compiler.problemsVersion
    const now = new Set(compiler.problems().map(formatProblem))
    for (const problem of now) if (!known.has(problem)) log.warn({ problem }, 'problem')
    for (const problem of known) if (!now.has(problem)) log.info({ problem }, 'problem solved')
    known = now
  }
}

/** @returns what ends it */
function removeTaints({ reports }: Parts, api: KubeApi, log: Logger): () => void {
  return startTaintRemover({
    api,
    reports,
    onRemoved: (node) => log.info({ node }, 'its agent is ready: the start-up taint is removed'),
    onError: (node, error) => log.warn({ node, error: error.message }, 'start-up taint trouble'),
  })
}

/** @returns what ends it */
function keepPodEvents(
  { publisher: { snapshot }, reports }: Parts,
  podName: string,
  api: KubeApi,
  log: Logger,
): () => void {
  const onError = (error: Error) => log.warn({ error: error.message }, 'event trouble')
  return startPodEvents({ api, podName, snapshot, reports, onError })
}

/** @returns what ends it */
function keepRenewed(
  serving: Serving,
  grpc: GrpcServer,
  leading: () => boolean,
  log: Logger,
): () => void {
  const renew = async () => {
    try {
      const fresh = await serving.renew(leading())
      if (fresh === undefined) return
      grpc.renew(fresh)
      log.info({ ends: new Date(serving.endsMs).toISOString() }, 'a new serving certificate')
    } catch (error) {
      log.warn({ error: error instanceof Error ? error.message : error }, 'certificate trouble')
    }
  }
  const timer = setInterval(() => void renew(), renewCertificateMs)
  return () => clearInterval(timer)
}

async function withRetries<T>(
  what: string,
  log: Logger,
  signal: AbortSignal,
  run: () => Promise<T>,
): Promise<T> {
  const backOff = createBackOff({ firstMs: 500, maxMs: 15_000, random: Math.random })
  for (;;) {
    try {
      return await run()
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      if (signal.aborted)
        throw new Error(`stopped before it could ${what}: ${cause}`, { cause: error })
      log.warn({ error: cause }, `cannot ${what}; tried again`)
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, backOff.nextMs())
      await promise
    }
  }
}
