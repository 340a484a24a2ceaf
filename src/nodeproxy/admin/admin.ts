import type { PodStatus } from '../agent/pod-status.ts'
import type { StoreStatus } from '../config/interfaces.ts'
import type { WorkerReport } from '../lifecycle/worker-messages.ts'
import { type LogLevel, logLevels } from '../lifecycle/options.ts'
import type { Resource } from '../../model/resources.ts'
import { type Handler, type HttpAnswer, type HttpRequest, json, plain } from './http.ts'
import { textTable, textTree } from './text-table.ts'

/** A pod, and why it is not accelerated as it asks; empty when it is. */
export type ServedPodStatus = PodStatus & { readonly notAccelerated: string }

/** What the admin port can see and do. */
export interface AdminSources {
  pods(): readonly ServedPodStatus[]
  resources(): readonly Resource[]
  storeStatus(): StoreStatus
  /** Asks the workers first. */
  reports(): Promise<readonly WorkerReport[]>
  counters(): Readonly<Record<string, bigint>>
  keeper(): Promise<Readonly<Record<string, number>>>
  summary(): Readonly<Record<string, unknown>>
  logLevel(): LogLevel
  setLogLevel(level: LogLevel): void
  /** Begins to drain, as SIGTERM does; resolves when a successor may take over pods and kernel. */
  drain(): Promise<void>
  /** Takes every pod out of the mesh, for good; resolves when that is so. */
  withdraw(): Promise<void>
}

type Route = (sources: AdminSources, request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

const routes: Readonly<Record<string, Route>> = {
  'GET /': (sources, request) =>
    show(request, { ...sources.summary(), paths: Object.keys(routes) }),
  'GET /pods': (sources, request) => showRows(request, sources.pods()),
  'GET /enrolment': (sources, request) =>
    showRows(
      request,
      sources.resources().filter(({ type }) => type === 'enrolment'),
    ),
  'GET /config': (sources, request) =>
    request.wantsJson
      ? json(200, { status: sources.storeStatus(), resources: sources.resources() })
      : plain(200, textTree(sources.storeStatus()) + resourceLines(sources.resources())),
  'GET /connections': async (sources, request) =>
    show(request, connections(await sources.reports())),
  'GET /counters': (sources, request) => show(request, sources.counters()),
  'GET /keeper': async (sources, request) => show(request, await sources.keeper()),
  'GET /log-level': (sources, request) => show(request, { level: sources.logLevel() }),
  'POST /log-level': setLogLevel,
  'POST /drain': async (sources) => {
    await sources.drain()
    return plain(202, 'draining\n')
  },
  'POST /withdraw': async (sources) => {
    await sources.withdraw()
    return plain(200, 'no pod of this node is in the mesh\n')
  },
}

export function createAdmin(sources: AdminSources): Handler {
  return (request) => {
    const route = routes[`${request.method} ${request.path}`]
    if (route !== undefined) return route(sources, request)
    const known = Object.keys(routes).join('\n')
    return plain(404, `there is no ${request.method} ${request.path}; there are\n${known}\n`)
  }
}

function show(request: HttpRequest, value: Readonly<Record<string, unknown>>): HttpAnswer {
  return request.wantsJson ? json(200, value) : plain(200, textTree(value))
}

function showRows(request: HttpRequest, rows: readonly object[]): HttpAnswer {
  if (request.wantsJson) return json(200, rows)
  return plain(200, textTable(rows as readonly Readonly<Record<string, unknown>>[]))
}

function setLogLevel(sources: AdminSources, { query }: HttpRequest): HttpAnswer {
  const wanted = query.get('level')
  const level = logLevels.find((one) => one === wanted)
  if (level === undefined) {
    return plain(400, `level must be one of ${logLevels.join(', ')}: POST /log-level?level=debug\n`)
  }
  sources.setLogLevel(level)
  return plain(200, `${level}\n`)
}

function connections(reports: readonly WorkerReport[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    reports.map(({ totals, refusals, open, waiting, ejected, tables, reactor }, index) => [
      `worker${index}`,
      { open, waiting, ejected, totals, refusals, tables, reactor },
    ]),
  )
}

function resourceLines(resources: readonly Resource[]): string {
  return resources.map((resource) => `${JSON.stringify(resource)}\n`).join('')
}
