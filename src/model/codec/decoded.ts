import { type FieldError, formatFieldError, type ReportField } from '../fields.ts'

/** A value, or why there is none: resource, field and fix. */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string }

export function decoded<T>(value: T): Decoded<T> {
  return { ok: true, value }
}

export function notDecoded<T>(error: string): Decoded<T> {
  return { ok: false, error }
}

/** Enough to find the cause, and short enough for a log line. */
const maxErrors = 5

/** Runs `read` with a report that collects. @param subject names what is read, once it is known */
export function decodeWith<T>(
  subject: (value: T) => string,
  read: (report: ReportField) => T,
): Decoded<T> {
  const errors: FieldError[] = []
  const value = read((error) => errors.push(error))
  if (errors.length === 0) return decoded(value)
  const shown = errors.slice(0, maxErrors).map(formatFieldError)
  const more = errors.length > maxErrors ? `; and ${errors.length - maxErrors} more` : ''
  return notDecoded(`${subject(value)}: ${shown.join('; ')}${more}`)
}

/** Parses one JSON text. */
export function parseJson(text: string, what: string): Decoded<unknown> {
  try {
    return decoded(JSON.parse(text) as unknown)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return notDecoded(`${what} is no JSON: ${cause}: the sender is faulty, or the line was cut`)
  }
}
