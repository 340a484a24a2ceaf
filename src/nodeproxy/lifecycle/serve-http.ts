import { chmodSync, renameSync, rmSync } from 'node:fs'
import type { Registry } from 'prom-client'
import { type AdminSources, createAdmin } from '../admin/admin.ts'
import { type Handler, type HttpListener, plain, serveHttp } from '../admin/http.ts'
import { anyAddress } from '../../any-address.ts'
import type { NodeProxyOptions } from './options.ts'
import { whenFree } from './takeover.ts'

export interface MetricsSources {
  readonly registry: Registry
  /** Asks the workers for what they have counted so far. */
  readonly collect: () => Promise<void>
  /** Empty when this node's pods are served; else why not. */
  readonly notReady: () => string
}

/**
 * Metrics for the cluster, admin for the node alone. Both wait for a predecessor to let go of them.
 */
export async function openPorts(
  options: NodeProxyOptions,
  metrics: MetricsSources,
  admin: AdminSources,
): Promise<readonly HttpListener[]> {
  const { adminAddress, takeoverSocket } = options
  const { host, port } = options.metricsAddress
  const metricsAddress = { host: anyAddress(host), port }
  const answer = createAdmin(admin)
  const opened = [
    whenFree(() => serveHttp('--metrics-address', metricsAddress, metricsHandler(metrics))),
    whenFree(() => serveHttp('--admin-address', adminAddress, answer)),
  ]
  if (takeoverSocket !== undefined) opened.push(serveTakeover(takeoverSocket, answer))
  return Promise.all(opened)
}

/** A predecessor that died left the file there; one that drains does not answer at it any more. */
async function serveTakeover(path: string, handle: Handler): Promise<HttpListener> {
  const aside = `${path}-${process.pid}`
  rmSync(aside, { force: true })
  const listener = await serveHttp('--takeover-socket', { path: aside }, handle)
  chmodSync(aside, 0o600)
  renameSync(aside, path) // from here on a successor finds this proxy
  return listener
}

function metricsHandler({ registry, collect, notReady }: MetricsSources): Handler {
  return async ({ method, path }) => {
    if (method !== 'GET') return plain(405, 'GET only\n')
    switch (path) {
      case '/metrics':
        await collect()
        return { status: 200, type: registry.contentType, body: await registry.metrics() }
      case '/live':
        return plain(200, 'live\n')
      case '/ready': {
        const reason = notReady()
        return reason === '' ? plain(200, 'ready\n') : plain(503, `not ready: ${reason}\n`)
      }
      default:
        return plain(404, 'there are /metrics, /ready and /live\n')
    }
  }
}
