import type { HttpRedirect } from '../../model/http-routes.ts'
import { editPath, targetOf } from './path-edit.ts'
import type { RequestHead } from '../codecs/request-head.ts'

const defaultPorts = { http: 80, https: 443 }

/**
 * A redirect's Location. Scheme, host and path that it does not name are the request's; the port is
 * that of a scheme that it names, or else of the connection, and is left out where it is the
 * scheme's own.
 * @param port of the service, to which the request was sent
 */
export function locationOf(
  head: RequestHead,
  redirect: HttpRedirect,
  prefixLength: number,
  port: number,
): string {
  const scheme = redirect.scheme === '' ? head.scheme : redirect.scheme
  const host = redirect.hostname === '' ? hostOf(head.authority) : redirect.hostname
  const derived = redirect.scheme === '' ? port : defaultPorts[redirect.scheme]
  const shownPort = redirect.port === 0 ? derived : redirect.port
  const end = shownPort === defaultPorts[scheme] ? '' : `:${shownPort}`
  const target = targetOf(editPath(head.path, redirect.path, prefixLength), head.query)
  return `${scheme}://${host}${end}${target}`
}

/** Without the port; an IPv6 address keeps its brackets. */
export function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(0, authority.indexOf(']') + 1)
  const colon = authority.indexOf(':')
  return colon === -1 ? authority : authority.slice(0, colon)
}
