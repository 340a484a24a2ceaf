import { createRequestHeadReader } from '../../../src/nodeproxy/codecs/request-head.ts'
import { createEditCache } from '../../../src/nodeproxy/http/edit-cache.ts'
import { createEndpointNumbers } from '../../../src/nodeproxy/http/endpoints.ts'
import type { Exchange, ExchangeEnd } from '../../../src/nodeproxy/http/exchange.ts'
import { createDraw } from '../../../src/nodeproxy/route/draw.ts'
import { createHttpFlow, type HttpFlow } from '../../../src/nodeproxy/http/flow.ts'
import { acceptedOf, endedOf } from '../../../src/nodeproxy/l4/adapter.ts'
import { createFlow } from '../../../src/nodeproxy/l4/flow.ts'
import type { FlowContext } from '../../../src/nodeproxy/l4/flow-context.ts'
import type { Native } from '../../../src/nodeproxy/native.ts'
import { bench, pod, service, viewOf, workload } from '../../unit/nodeproxy/l4/support.ts'
import { openProxy, type ReactorProxy } from '../../kernel/support/reactor-proxy.ts'

const vip = '10.96.0.10'
const place = { node: 'node1', zone: 'zone1' }

export interface HttpProxy extends ReactorProxy {
  /** Requests that ended, oldest first. */
  readonly requests: (readonly [Exchange, ExchangeEnd])[]
  /** MessageErrors of what was no request. */
  readonly rejected: number[]
}

/** A reactor without BPF, whose connections all ask for a service of one endpoint, by HTTP. */
export function openHttpProxy(native: Native, targetPort: number): HttpProxy {
  const requests: (readonly [Exchange, ExchangeEnd])[] = []
  const rejected: number[] = []
  const b = bench([pod(1, '127.0.0.1')])
  const late: { http?: HttpFlow } = {}
  const context: FlowContext = {
    ...b.context,
    podByAddress: () => undefined,
    beginHttp: (connection) => late.http?.begin(connection),
    nowMs: () => performance.now(),
  }
  const flow = createFlow(context)
  const at = workload('app', '127.0.0.1', 'node2')
  const made = service('app', vip, [at])
  const http = {
    ...made,
    ports: [{ name: 'http', port: 80, appProtocol: 'http' }],
    endpoints: made.endpoints.map((one) => ({ ...one, ports: { 80: targetPort } })),
  }
  b.tables.setWorkload(at.uid, at)
  b.tables.setService(http.key, viewOf(http, place, [at]))
  b.tables.setAddress(vip, { services: [{ key: http.key, external: false }], workload: '' })
  const proxy = openProxy(native, {
    targetPort,
    handlers: {
      onAccept: (event) =>
        flow.accepted({
          ...acceptedOf(event),
          direction: 'outbound',
          originFound: true,
          asked: { address: vip, port: 80 },
        }),
      onDone: (event) => flow.ended(endedOf(event)),
      onRequest: (event) => late.http?.onRequest(event),
      onResponseHead: (event) => late.http?.onResponseHead(event),
      onAttemptFailed: (event) => late.http?.onAttemptFailed(event),
      onStreamDone: (event) => late.http?.onStreamDone(event),
      onRejected: (event) => late.http?.onRejected(event),
    },
  })
  const { reactor } = proxy
  late.http = createHttpFlow({
    flow: context,
    commands: reactor.http,
    heads: createRequestHeadReader(reactor.slab),
    endpoints: createEndpointNumbers(reactor.http, () => 5_000),
    observer: {
      ended: (exchange, end) => void requests.push([exchange, { ...end }]),
      rejected: (_, error) => void rejected.push(error),
    },
    exchanges: new Map(),
    draw: createDraw(Math.random),
    encode: createEditCache(),
  })
  return { ...proxy, requests, rejected }
}
