/** What is wrong with one field of data that others wrote. */
export interface FieldError {
  /** As `spec.ports[0].port`; empty for the whole. */
  readonly field: string
  readonly message: string
  readonly fix: string
}

export type ReportField = (error: FieldError) => void

/**
 * An object of unknown shape, to be read member by member. A member that is missing or null gives
 * the fallback; without one, or when its type is wrong, the error is reported and some value of the
 * right type is returned, so that one pass finds all errors. Whoever reads looks at the reports
 * before he uses what he read.
 */
export interface Fields {
  readonly members: Readonly<Record<string, unknown>>
  readonly report: ReportField
  /** Where it was found: its own name or index in what holds it. Put together only for an error. */
  readonly name: string | number
  readonly parent: Fields | undefined
}

/** @param name of the whole, for errors; mostly empty */
export function readFields(value: unknown, name: string, report: ReportField): Fields {
  return fieldsOf(value, name, undefined, report)
}

function fieldsOf(
  value: unknown,
  name: string | number,
  parent: Fields | undefined,
  report: ReportField,
): Fields {
  const isObject = isRecord(value)
  const fields = { members: isObject ? value : {}, report, name, parent }
  if (!isObject) {
    const message = `is ${show(value)}, not an object`
    report({ field: pathOf(fields), message, fix: 'give an object' })
  }
  return fields
}

export function pathOf(fields: Fields): string {
  const { parent, name } = fields
  return parent === undefined ? String(name) : memberPath(parent, name)
}

function memberPath(fields: Fields, name: string | number): string {
  const before = pathOf(fields)
  if (typeof name === 'number') return `${before}[${name}]`
  return before === '' ? name : `${before}.${name}`
}

export function reportField(fields: Fields, name: string, message: string, fix: string): void {
  fields.report({ field: memberPath(fields, name), message, fix })
}

function wrong(fields: Fields, name: string, wanted: string): void {
  const value = readRaw(fields, name)
  const message = value === undefined ? 'is missing' : `is ${show(value)}, not ${wanted}`
  reportField(fields, name, message, `give ${wanted}`)
}

export function readRaw({ members }: Fields, name: string): unknown {
  return Object.hasOwn(members, name) ? (members[name] ?? undefined) : undefined
}

export function hasField(fields: Fields, name: string): boolean {
  return readRaw(fields, name) !== undefined
}

/** Without a fallback it must be there and not empty. */
export function readText(fields: Fields, name: string, fallback?: string): string {
  const value = readRaw(fields, name) ?? fallback
  if (typeof value === 'string' && (value !== '' || fallback !== undefined)) return value
  wrong(fields, name, fallback === undefined ? 'text that is not empty' : 'text')
  return ''
}

export function readFlag(fields: Fields, name: string, fallback?: boolean): boolean {
  const value = readRaw(fields, name) ?? fallback
  if (typeof value === 'boolean') return value
  wrong(fields, name, 'true or false')
  return false
}

export interface WholeRange {
  readonly min: number
  readonly max: number
}

export const portRange: WholeRange = { min: 1, max: 65_535 }

export function readWhole(
  fields: Fields,
  name: string,
  { min, max }: WholeRange,
  fallback?: number,
): number {
  const value = readRaw(fields, name) ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value
  }
  wrong(fields, name, `a whole number from ${min} to ${max}`)
  return min
}

/** @param values at least one */
export function readChoice<T extends string>(
  fields: Fields,
  name: string,
  values: readonly [T, ...T[]],
  fallback?: T,
): T {
  const value = readRaw(fields, name) ?? fallback
  for (const candidate of values) if (candidate === value) return candidate
  wrong(fields, name, `one of ${values.map((each) => `'${each}'`).join(', ')}`)
  return values[0]
}

const noItems: readonly unknown[] = []

function readItems(fields: Fields, name: string): readonly unknown[] {
  const list = readRaw(fields, name) ?? noItems
  if (Array.isArray(list)) return list
  wrong(fields, name, 'a list')
  return noItems
}

export function readTexts(fields: Fields, name: string): readonly string[] {
  const items = readItems(fields, name)
  if (items.every((item) => typeof item === 'string')) return items
  for (const [index, item] of items.entries()) {
    if (typeof item === 'string') continue
    reportField(fields, `${name}[${index}]`, `is ${show(item)}, not text`, 'give text, in quotes')
  }
  return []
}

export function readTextMap(fields: Fields, name: string): Readonly<Record<string, string>> {
  const map: Record<string, string> = {}
  for (const [key, value] of Object.entries(readObject(fields, name).members)) {
    if (typeof value === 'string') map[key] = value
    else {
      const field = `${name}[${JSON.stringify(key)}]`
      reportField(fields, field, `is ${show(value)}, not text`, 'give text, in quotes')
    }
  }
  return map
}

/** An empty object where there is none. */
export function readObject(fields: Fields, name: string): Fields {
  return fieldsOf(readRaw(fields, name) ?? {}, name, fields, fields.report)
}

export function readObjects(fields: Fields, name: string): readonly Fields[] {
  const items = readItems(fields, name)
  if (items.length === 0) return []
  const list: Fields = { members: {}, report: fields.report, name, parent: fields }
  return items.map((item, index) => fieldsOf(item, index, list, fields.report))
}

/** As people and logs see it: short, on one line. */
export function formatFieldError({ field, message, fix }: FieldError): string {
  return `${field === '' ? '' : `${field} `}${message}: ${fix}`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const maxShown = 60

/** A value as an error shows it. */
export function show(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? typeof value)
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}…`
}
