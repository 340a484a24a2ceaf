import type { PortRoutes, ServiceRoutes } from '../../model/http-routes.ts'
import { createTableBuilder, type RouteTable, type TableBuilder } from './table.ts'

/**
 * A worker's tables of routes. Those of one service are made beside the ones in use, a little at a
 * time, and then take their place by one assignment: no request is decided by some of both.
 */
export interface RouteTables {
  /** Undefined: no routes for that port and the clients of that namespace. */
  readonly find: (service: string, port: number, namespace: string) => RouteTable | undefined
  /** @param routes undefined: the service has none any more */
  set(service: string, routes: ServiceRoutes | undefined): void
  /**
   * Runs once the last that was set of all these services is in use: now, if it is.
   *
   * @param services undefined: all that there are
   */
  whenMade(services: readonly string[] | undefined, run: () => void): void
  /** Services with routes, and tables that are being made. */
  readonly size: number
  readonly making: number
}

export interface RouteTablesOptions {
  readonly nowMs: () => number
  /** Goes on after what else there is to do. */
  readonly later: (run: () => void) => void
}

/** What one turn may take from requests. */
const sliceMs = 1

type Tables = ReadonlyMap<string, RouteTable>

interface Making {
  /** What is still to be made, the next one last. */
  readonly left: { readonly key: string; readonly builder: TableBuilder }[]
  readonly made: Map<string, RouteTable>
}

export function createRouteTables({ nowMs, later }: RouteTablesOptions): RouteTables {
  const live = new Map<string, Tables>()
  const making = new Map<string, Making>()
  const waiting = new Set<() => boolean>()
  let scheduled = false

  function work(): void {
    const untilMs = nowMs() + sliceMs
    for (const [service, { left, made }] of making) {
      for (let next = left.at(-1); next !== undefined; next = left.at(-1)) {
        const table = next.builder.step(untilMs)
        if (table === undefined) {
          goOn()
          return
        }
        made.set(next.key, table)
        left.pop()
      }
      making.delete(service)
      live.set(service, made)
    }
    for (const isOver of waiting) if (isOver()) waiting.delete(isOver)
  }

  function goOn(): void {
    if (scheduled) return
    scheduled = true
    later(() => {
      scheduled = false
      work()
    })
  }

  return {
    find(service, port, namespace) {
      const tables = live.get(service)
      if (tables === undefined) return undefined
      return (
        tables.get(keyOf({ port, clients: namespace })) ?? tables.get(keyOf({ port, clients: '' }))
      )
    },
    set(service, routes) {
      making.delete(service)
      if (routes === undefined) live.delete(service)
      else making.set(service, begin(routes, live.get(service), nowMs))
      work()
    },
    whenMade(services, run) {
      const isOver = (): boolean => {
        const pending =
          services === undefined ? making.size > 0 : services.some((one) => making.has(one))
        if (pending) return false
        run()
        return true
      }
      if (!isOver()) waiting.add(isOver)
    },
    get size() {
      return live.size
    },
    get making() {
      return making.size
    },
  }
}

/** @param before tables in use, of which what is the same goes on */
function begin({ tables }: ServiceRoutes, before: Tables | undefined, nowMs: () => number): Making {
  const left = tables.map((table) => {
    const key = keyOf(table)
    return { key, builder: createTableBuilder(table, before?.get(key), nowMs) }
  })
  return { left, made: new Map() }
}

function keyOf({ port, clients }: Pick<PortRoutes, 'port' | 'clients'>): string {
  return `${port}/${clients}`
}
