import { getSystemErrorMap } from 'node:util'

const names = getSystemErrorMap()

/**
 * An Error for a negative errno that a map operation gave: operation, cause, and what to do about
 * it.
 */
export function mapError(operation: string, negativeErrno: number): Error {
  const [name, text] = names.get(negativeErrno) ?? [`errno ${-negativeErrno}`, 'unknown error']
  return new Error(`cannot ${operation}: ${name} (${text})${hints[name] ?? ''}`)
}

/** `operation` failed because of `cause`; the errno's name stays where callers look for it. */
export function failed(operation: string, cause: unknown, hint = ''): Error {
  return new Error(`cannot ${operation}: ${textOf(cause)}${hint}`, { cause })
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Throws unless the map operation succeeded. */
export function must(operation: string, result: number): void {
  if (result < 0) throw mapError(operation, result)
}

/** As must(), for removals: that it is gone already is fine. */
export function mustBeGone(operation: string, result: number): void {
  if (result < 0 && result !== notFound) throw mapError(operation, result)
}

export const notFound = -2
export const exists = -17

const hints: Readonly<Record<string, string>> = {
  E2BIG: '; the map is full: raise its size in the configuration',
  ENOSPC: '; the map is full: raise its size in the configuration',
  EPERM: '; it needs root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN',
}
