import { type Fields, readRaw, reportField, show } from '../../../model/fields.ts'

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/**
 * A Duration of the Gateway API (GEP-2257), as `1h30m` or `250ms`: at most four parts of at most
 * five digits. @returns milliseconds; the fallback where there is none
 */
export function readDurationMs(fields: Fields, name: string, fallback: number): number {
  const text = readRaw(fields, name)
  if (text === undefined) return fallback
  if (typeof text !== 'string' || !/^(?:\d{1,5}(?:h|m|s|ms)){1,4}$/.test(text)) {
    reportField(fields, name, `is ${show(text)}, not a duration`, 'write it as 1h30m, 10s or 250ms')
    return fallback
  }
  return [...text.matchAll(/(\d+)(ms|h|m|s)/g)].reduce(
    (sum, [, count, unit = '']) => sum + Number(count) * (unitsMs[unit] ?? 0),
    0,
  )
}
