import {
  type Fields,
  portRange,
  readChoice,
  readObject,
  readObjects,
  readRaw,
  readText,
  readWhole,
  reportField,
  show,
} from '../fields.ts'
import type {
  HttpBackend,
  HttpMatch,
  HttpRetry,
  HttpRule,
  HttpValueMatch,
  PortRoutes,
  ServiceRoutes,
} from '../http-routes.ts'
import { decodeFilters, encodeFilters, hasFilters } from './filters-codec.ts'
import { omitDefaults } from './omit-defaults.ts'

const pathDefaults = { type: 'prefix', value: '' } as const
const matchDefaults = { path: pathDefaults, method: '', headers: [], query: [] } as const
const valueDefaults = { type: 'exact' } as const
const ruleDefaults = { backends: [], requestTimeoutMs: 0, backendTimeoutMs: 0 } as const
const backendDefaults = { service: '', port: 0, weight: 1 } as const
const anyCount = { min: 0, max: Number.MAX_SAFE_INTEGER }
const maxWeight = 1_000_000

export function encodeRoutes({ tables, ...routes }: ServiceRoutes): object {
  return { ...routes, tables: tables.map(encodeTable) }
}

function encodeTable({ port, clients, rules }: PortRoutes): object {
  return { ...omitDefaults({ port, clients }, { clients: '' }), rules: rules.map(encodeRule) }
}

function encodeRule(rule: HttpRule): object {
  const { matches, filters, backends, ...rest } = rule
  return {
    ...omitDefaults(rest, ruleDefaults),
    matches: matches.map(encodeMatch),
    ...(hasFilters(filters) ? { filters: encodeFilters(filters) } : {}),
    ...(backends.length > 0 ? { backends: backends.map(encodeBackend) } : {}),
  }
}

function encodeMatch({ path, headers, query, method }: HttpMatch): object {
  const values = (all: readonly HttpValueMatch[]) =>
    all.map((each) => omitDefaults(each, valueDefaults))
  return {
    ...omitDefaults({ path: omitDefaults(path, pathDefaults), method }, { path: {}, method: '' }),
    ...(headers.length > 0 ? { headers: values(headers) } : {}),
    ...(query.length > 0 ? { query: values(query) } : {}),
  }
}

function encodeBackend({ filters, ...backend }: HttpBackend): object {
  return {
    ...omitDefaults(backend, backendDefaults),
    ...(filters === undefined ? {} : { filters: encodeFilters(filters) }),
  }
}

export function decodeRoutes(fields: Fields): ServiceRoutes {
  return {
    type: 'routes',
    service: readText(fields, 'service'),
    tables: readObjects(fields, 'tables').map((table) => ({
      port: readWhole(table, 'port', portRange),
      clients: readText(table, 'clients', ''),
      rules: readObjects(table, 'rules').map(decodeRule),
    })),
  }
}

function decodeRule(fields: Fields): HttpRule {
  const retry = readRaw(fields, 'retry')
  const matches = readObjects(fields, 'matches').map(decodeMatch)
  if (matches.length === 0) reportField(fields, 'matches', 'is empty', 'give at least one')
  return {
    route: readText(fields, 'route'),
    name: readText(fields, 'name'),
    matches,
    filters: decodeFilters(readObject(fields, 'filters')),
    backends: readObjects(fields, 'backends').map(decodeBackend),
    requestTimeoutMs: readWhole(fields, 'requestTimeoutMs', anyCount, 0),
    backendTimeoutMs: readWhole(fields, 'backendTimeoutMs', anyCount, 0),
    ...(retry === undefined ? {} : { retry: decodeRetry(readObject(fields, 'retry')) }),
  }
}

function decodeMatch(fields: Fields): HttpMatch {
  const path = readObject(fields, 'path')
  return {
    path: {
      type: readChoice(path, 'type', ['prefix', 'exact', 'regex'], pathDefaults.type),
      value: readText(path, 'value', pathDefaults.value),
    },
    method: readText(fields, 'method', matchDefaults.method),
    headers: readObjects(fields, 'headers').map(decodeValue),
    query: readObjects(fields, 'query').map(decodeValue),
  }
}

function decodeValue(fields: Fields): HttpValueMatch {
  return {
    name: readText(fields, 'name'),
    type: readChoice(fields, 'type', ['exact', 'regex'], valueDefaults.type),
    value: readText(fields, 'value', ''),
  }
}

function decodeBackend(fields: Fields): HttpBackend {
  const filters = readRaw(fields, 'filters')
  return {
    service: readText(fields, 'service', backendDefaults.service),
    port: readWhole(fields, 'port', { min: 0, max: portRange.max }, backendDefaults.port),
    weight: readWhole(fields, 'weight', { min: 1, max: maxWeight }, backendDefaults.weight),
    ...(filters === undefined ? {} : { filters: decodeFilters(readObject(fields, 'filters')) }),
  }
}

function decodeRetry(fields: Fields): HttpRetry {
  const statuses = readRaw(fields, 'statuses') ?? []
  const isNumbers = Array.isArray(statuses) && statuses.every((each) => Number.isInteger(each))
  if (!isNumbers) {
    reportField(fields, 'statuses', `is ${show(statuses)}, not whole numbers`, 'give numbers')
  }
  return {
    attempts: readWhole(fields, 'attempts', anyCount, 0),
    statuses: isNumbers ? (statuses as readonly number[]) : [],
    backoffMs: readWhole(fields, 'backoffMs', anyCount, 0),
  }
}
