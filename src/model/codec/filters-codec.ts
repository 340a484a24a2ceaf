import {
  type Fields,
  hasField,
  portRange,
  readChoice,
  readFlag,
  readObject,
  readObjects,
  readText,
  readTexts,
  readWhole,
} from '../fields.ts'
import type {
  HttpCors,
  HttpFilters,
  HttpHeader,
  HttpHeaderEdits,
  HttpMirror,
  HttpPathEdit,
  HttpRedirect,
} from '../http-routes.ts'
import { omitDefaults } from './omit-defaults.ts'

const editsDefaults = { remove: [], set: [], add: [] } as const
const rewriteDefaults = { hostname: '' } as const
const redirectDefaults = { scheme: '', hostname: '', port: 0 } as const
const mirrorDefaults = { numerator: 0 } as const
const corsDefaults = {
  origins: [],
  credentials: false,
  methods: [],
  headers: [],
  expose: [],
} as const
const anyCount = { min: 0, max: Number.MAX_SAFE_INTEGER }

export function hasFilters(filters: HttpFilters): boolean {
  return Object.values(filters).some((each) => each !== undefined)
}

export function encodeFilters(filters: HttpFilters): object {
  const { request, response, rewrite, redirect, mirrors, cors } = filters
  return omitDefaults(
    {
      request: request && omitDefaults(request, editsDefaults),
      response: response && omitDefaults(response, editsDefaults),
      rewrite: rewrite && omitDefaults(rewrite, rewriteDefaults),
      redirect: redirect && omitDefaults(redirect, redirectDefaults),
      mirrors: mirrors?.map((mirror) => omitDefaults(mirror, mirrorDefaults)),
      cors: cors && omitDefaults(cors, corsDefaults),
    },
    {},
  )
}

export function decodeFilters(fields: Fields): HttpFilters {
  const mirrors = readObjects(fields, 'mirrors').map(decodeMirror)
  return {
    ...member(fields, 'request', decodeEdits),
    ...member(fields, 'response', decodeEdits),
    ...member(fields, 'rewrite', (rewrite) => ({
      hostname: readText(rewrite, 'hostname', ''),
      ...member(rewrite, 'path', decodePathEdit),
    })),
    ...member(fields, 'redirect', decodeRedirect),
    ...(mirrors.length === 0 ? {} : { mirrors }),
    ...member(fields, 'cors', decodeCors),
  }
}

/** What is not there stays away: an empty filter is another thing than none. */
function member<K extends string, T>(
  fields: Fields,
  name: K,
  decode: (fields: Fields) => T,
): { readonly [name in K]?: T } {
  if (!hasField(fields, name)) return {}
  return { [name]: decode(readObject(fields, name)) } as { readonly [name in K]?: T }
}

function decodeEdits(fields: Fields): HttpHeaderEdits {
  return {
    remove: readTexts(fields, 'remove'),
    set: readObjects(fields, 'set').map(decodeHeader),
    add: readObjects(fields, 'add').map(decodeHeader),
  }
}

function decodeHeader(fields: Fields): HttpHeader {
  return { name: readText(fields, 'name'), value: readText(fields, 'value', '') }
}

function decodePathEdit(fields: Fields): HttpPathEdit {
  return {
    type: readChoice(fields, 'type', ['full', 'prefix']),
    value: readText(fields, 'value', ''),
  }
}

function decodeRedirect(fields: Fields): HttpRedirect {
  return {
    scheme: readChoice(fields, 'scheme', ['', 'http', 'https'], ''),
    hostname: readText(fields, 'hostname', ''),
    port: readWhole(fields, 'port', { min: 0, max: portRange.max }, 0),
    status: readWhole(fields, 'status', { min: 300, max: 399 }),
    ...member(fields, 'path', decodePathEdit),
  }
}

function decodeMirror(fields: Fields): HttpMirror {
  return {
    service: readText(fields, 'service'),
    port: readWhole(fields, 'port', portRange),
    numerator: readWhole(fields, 'numerator', anyCount, 0),
    denominator: readWhole(fields, 'denominator', { min: 1, max: Number.MAX_SAFE_INTEGER }),
  }
}

function decodeCors(fields: Fields): HttpCors {
  return {
    origins: readTexts(fields, 'origins'),
    credentials: readFlag(fields, 'credentials', false),
    methods: readTexts(fields, 'methods'),
    headers: readTexts(fields, 'headers'),
    expose: readTexts(fields, 'expose'),
    maxAgeSeconds: readWhole(fields, 'maxAgeSeconds', anyCount),
  }
}
