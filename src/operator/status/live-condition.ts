import type { RouteParentStatus } from '../compile/http/compile-routes.ts'
import type { RouteCondition } from '../compile/http/route-conditions.ts'
import type { Spread } from '../publish/publisher.ts'

/**
 * Sluice's own condition: a route may be good and not have reached the nodes.
 *
 * @param spread undefined: the route is not attached to that parent
 */
export function liveCondition(spread: Spread | undefined): RouteCondition {
  const type = 'sluice.dev/Live'
  if (spread === undefined) {
    const message = 'it is not attached, and so on no node'
    return { type, status: 'False', reason: 'NotAttached', message }
  }
  const { nodes, live } = spread
  if (nodes === 0) {
    const message = 'no node that is connected to the leading replica uses the Service'
    return { type, status: 'Unknown', reason: 'NotUsed', message }
  }
  const where = 'nodes that use the Service and are connected to the leading replica'
  const message = `on ${live} of ${nodes} ${where}`
  const all = live === nodes
  return { type, status: all ? 'True' : 'False', reason: all ? 'Live' : 'Pending', message }
}

/** Whether a parent's routes are sent to nodes at all. */
export function isAttached({ conditions }: RouteParentStatus): boolean {
  return conditions.some(({ type, status }) => type === 'Accepted' && status === 'True')
}
