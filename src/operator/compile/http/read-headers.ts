import {
  type Fields,
  readObjects,
  readText,
  readTexts,
  reportField,
  show,
} from '../../../model/fields.ts'
import type { HttpHeader, HttpHeaderEdits } from '../../../model/http-routes.ts'

/** What frames a message or names its hop: whoever could set it could smuggle a request. */
const refused = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const token = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/
/** Visible ASCII, blanks and tabs: no line ends. */
const plainValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** A filter that modifies headers: one action for each name. */
export function readHeaderEdits(fields: Fields): HttpHeaderEdits {
  const seen = new Set<string>()
  const check = (where: Fields, member: string, name: string) => {
    const id = name.toLowerCase()
    if (!token.test(name)) {
      reportField(where, member, `is ${show(name)}, not the name of a header`, 'give a name')
    } else if (refused.has(id)) {
      const fix = id === 'host' ? 'use URLRewrite with hostname' : 'leave it to the proxy'
      reportField(where, member, `names ${name}, which may not be changed`, fix)
    } else if (seen.has(id)) {
      reportField(where, member, `names ${name} a second time`, 'give one action for each name')
    }
    seen.add(id)
  }
  const read = (list: string): HttpHeader[] => {
    const own = new Set<string>()
    return readObjects(fields, list).flatMap((each) => {
      const header = { name: readText(each, 'name'), value: readText(each, 'value') }
      if (!plainValue.test(header.value)) {
        reportField(each, 'value', 'has control characters', 'leave them out')
      }
      // Of equivalent names in one list the first counts, and the others are passed over.
      if (own.has(header.name.toLowerCase())) return []
      own.add(header.name.toLowerCase())
      check(each, 'name', header.name)
      return [header]
    })
  }
  const [set, add] = [read('set'), read('add')]
  const remove = readTexts(fields, 'remove')
  for (const [index, name] of remove.entries()) check(fields, `remove[${index}]`, name)
  return { remove: remove.map((name) => name.toLowerCase()), set, add }
}
