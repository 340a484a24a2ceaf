import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'

/** Failures of this machine, which say nothing about the endpoint. */
const localErrnos: ReadonlySet<number> = new Set([
  constants.errno.EMFILE,
  constants.errno.ENFILE,
  constants.errno.ENOMEM,
  constants.errno.ENOBUFS,
  constants.errno.EADDRNOTAVAIL,
  constants.errno.EADDRINUSE,
  constants.errno.EPERM,
  constants.errno.EACCES,
])

/** @param errno positive, as the reactor reports it */
export function isLocalErrno(errno: number): boolean {
  return localErrnos.has(errno)
}

const hints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there on this address',
  ETIMEDOUT: 'no answer; a NetworkPolicy may drop it, or the pod is gone',
  EHOSTUNREACH: 'no route; the pod may be gone',
  EADDRNOTAVAIL: 'no free local port to this endpoint, or the pod lost its address',
  EMFILE: 'the proxy is out of file descriptors; raise its RLIMIT_NOFILE',
  EPERM: "refused by a rule in the pod's own namespace or by the pod's cgroup",
}

export function describeErrno(errno: number): string {
  if (errno === 0) return 'no error was reported'
  const name = getSystemErrorName(-errno)
  const hint = hints[name]
  return hint === undefined ? name : `${name} (${hint})`
}
