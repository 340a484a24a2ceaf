import { type FieldError, readFields, readText, show } from '../fields.ts'
import { type Resource, resourceName } from '../resources.ts'
import { type Decoded, decoded, decodeWith, notDecoded } from './decoded.ts'
import { decodeEnrolment, decodeSettings, encodeEnrolment, encodeSettings } from './node-codec.ts'
import { decodeRoutes, encodeRoutes } from './routes-codec.ts'
import { decodeService, encodeService } from './service-codec.ts'
import { decodeWorkload, encodeWorkload } from './workload-codec.ts'

/** What goes on the wire as JSON: fields that have their default value are left out. */
export function encodeResource(resource: Resource): object {
  switch (resource.type) {
    case 'workload':
      return encodeWorkload(resource)
    case 'service':
      return encodeService(resource)
    case 'enrolment':
      return encodeEnrolment(resource)
    case 'routes':
      return encodeRoutes(resource)
    default:
      return encodeSettings(resource)
  }
}

const decoders = {
  workload: decodeWorkload,
  service: decodeService,
  enrolment: decodeEnrolment,
  settings: decodeSettings,
  routes: decodeRoutes,
} as const

/**
 * Fields that are not known are ignored, ones that are missing get their defaults: additions need
 * no new version. A type that is not known, from a newer sender, gives undefined.
 */
export function decodeResource(value: unknown): Decoded<Resource | undefined> {
  const errors: FieldError[] = []
  const type = readText(
    readFields(value, '', (error) => errors.push(error)),
    'type',
  )
  if (errors.length > 0) return notDecoded(`resource ${show(value)} has no type: name one`)
  if (!isKnownType(type)) return decoded(undefined)
  return decodeWith(
    resourceName,
    (report): Resource => decoders[type](readFields(value, '', report)),
  )
}

function isKnownType(type: string): type is Resource['type'] {
  return Object.hasOwn(decoders, type)
}
