import {
  type Fields,
  hasField,
  pathOf,
  portRange,
  readChoice,
  readFlag,
  readObject,
  readObjects,
  readText,
  readTexts,
  readWhole,
  reportField,
} from '../../../model/fields.ts'
import type {
  HttpCors,
  HttpPathEdit,
  HttpRedirect,
  HttpRewrite,
} from '../../../model/http-routes.ts'
import { readBackendRef } from './read-backend-ref.ts'
import { readHeaderEdits } from './read-headers.ts'
import type { FilterFacts, MirrorFacts } from './route-facts.ts'

const types = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestMirror',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
  'ExtensionRef',
  'ExternalAuth',
] as const

type FilterType = (typeof types)[number]

interface Reading {
  request?: FilterFacts['request']
  response?: FilterFacts['response']
  rewrite?: HttpRewrite
  redirect?: HttpRedirect
  cors?: HttpCors
  readonly mirrors: MirrorFacts[]
  readonly foreign: string[]
}

/** Filters of a rule or of a backend. @param namespace of the route */
export function readFilters(fields: Fields, namespace: string): FilterFacts {
  const reading: Reading = { mirrors: [], foreign: [] }
  const seen = new Set<FilterType>()
  for (const filter of readObjects(fields, 'filters')) {
    const type = readChoice(filter, 'type', types)
    const repeatable = type === 'RequestMirror' || type === 'ExtensionRef'
    if (seen.has(type) && !repeatable) {
      reportField(filter, 'type', `is ${type} a second time`, 'keep one of them')
    }
    seen.add(type)
    readOne(filter, type, namespace, reading)
  }
  if (seen.has('RequestRedirect') && seen.has('URLRewrite')) {
    reportField(fields, 'filters', 'has RequestRedirect and URLRewrite', 'keep one of them')
  }
  return reading as FilterFacts
}

function readOne(filter: Fields, type: FilterType, namespace: string, reading: Reading): void {
  switch (type) {
    case 'RequestHeaderModifier':
      reading.request = readHeaderEdits(readObject(filter, 'requestHeaderModifier'))
      break
    case 'ResponseHeaderModifier':
      reading.response = readHeaderEdits(readObject(filter, 'responseHeaderModifier'))
      break
    case 'RequestMirror':
      reading.mirrors.push(readMirror(readObject(filter, 'requestMirror'), namespace))
      break
    case 'RequestRedirect':
      reading.redirect = readRedirect(readObject(filter, 'requestRedirect'))
      break
    case 'URLRewrite':
      reading.rewrite = readRewrite(readObject(filter, 'urlRewrite'))
      break
    case 'CORS':
      reading.cors = readCors(readObject(filter, 'cors'))
      break
    case 'ExtensionRef':
    case 'ExternalAuth':
      reading.foreign.push(pathOf(filter))
  }
}

function readMirror(fields: Fields, namespace: string): MirrorFacts {
  const ref = readBackendRef(readObject(fields, 'backendRef'), namespace)
  if (hasField(fields, 'fraction')) {
    const fraction = readObject(fields, 'fraction')
    const denominator = readWhole(fraction, 'denominator', { min: 1, max: 2_147_483_647 }, 100)
    const numerator = readWhole(fraction, 'numerator', { min: 0, max: denominator })
    return { ref, numerator, denominator }
  }
  const numerator = readWhole(fields, 'percent', { min: 0, max: 100 }, 100)
  return { ref, numerator, denominator: 100 }
}

const redirectStatuses = [301, 302, 303, 307, 308]

function readRedirect(fields: Fields): HttpRedirect {
  const status = readWhole(fields, 'statusCode', { min: 300, max: 399 }, 302)
  if (!redirectStatuses.includes(status)) {
    const fix = `give one of ${redirectStatuses.join(', ')}`
    reportField(fields, 'statusCode', `is ${status}`, fix)
  }
  return {
    scheme: readChoice(fields, 'scheme', ['', 'http', 'https'], ''),
    hostname: readHostname(fields),
    port: hasField(fields, 'port') ? readWhole(fields, 'port', portRange) : 0,
    status,
    ...readPathEdit(fields),
  }
}

function readRewrite(fields: Fields): HttpRewrite {
  return { hostname: readHostname(fields), ...readPathEdit(fields) }
}

/** A name without a wildcard: it becomes a Host header as it is. */
function readHostname(fields: Fields): string {
  const hostname = readText(fields, 'hostname', '')
  if (hostname === '' || /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(hostname)) return hostname
  reportField(fields, 'hostname', `is ${JSON.stringify(hostname)}`, 'give a host name')
  return ''
}

function readPathEdit(fields: Fields): { readonly path?: HttpPathEdit } {
  if (!hasField(fields, 'path')) return {}
  const path = readObject(fields, 'path')
  const type = readChoice(path, 'type', ['ReplaceFullPath', 'ReplacePrefixMatch'])
  if (type === 'ReplaceFullPath') {
    return { path: { type: 'full', value: asPath(readText(path, 'replaceFullPath', '')) } }
  }
  const value = asPath(readText(path, 'replacePrefixMatch', ''))
  return { path: { type: 'prefix', value: value.endsWith('/') ? value.slice(0, -1) : value } }
}

/** It stays a path, whatever is in it: no query, no fragment, no second line. */
function asPath(value: string): string {
  const encoded = value.replaceAll(/[^\x21-\x7e]|[?#]/gu, (character) =>
    encodeURIComponent(character),
  )
  return encoded === '' || encoded.startsWith('/') ? encoded : `/${encoded}`
}

function readCors(fields: Fields): HttpCors {
  return {
    origins: readTexts(fields, 'allowOrigins'),
    credentials: readFlag(fields, 'allowCredentials', false),
    methods: readTexts(fields, 'allowMethods'),
    headers: readTexts(fields, 'allowHeaders'),
    expose: readTexts(fields, 'exposeHeaders'),
    maxAgeSeconds: readWhole(fields, 'maxAge', { min: 1, max: 2_147_483_647 }, 5),
  }
}
