import {
  type Fields,
  hasField,
  readChoice,
  readFlag,
  readObject,
  readText,
  readTexts,
} from '../fields.ts'
import type { Locality, Workload } from '../resources.ts'
import { decodeAddresses, encodeAddress } from './address-codec.ts'
import { omitDefaults } from './omit-defaults.ts'

const noLocality: Locality = { region: '', zone: '', subzone: '' }

const defaults = {
  addresses: [],
  node: '',
  hostNetwork: false,
  serviceAccount: '',
  locality: noLocality,
  tunnel: 'none',
  enrolled: false,
  ready: false,
  owner: '',
  ownerKind: '',
  canonicalName: '',
  canonicalRevision: '',
  app: '',
  version: '',
} as const

export function encodeWorkload(workload: Workload): object {
  return {
    ...omitDefaults(workload, defaults),
    ...(workload.addresses.length > 0 ? { addresses: workload.addresses.map(encodeAddress) } : {}),
  }
}

export function decodeWorkload(fields: Fields): Workload {
  return {
    type: 'workload',
    uid: readText(fields, 'uid'),
    cluster: readText(fields, 'cluster'),
    namespace: readText(fields, 'namespace'),
    name: readText(fields, 'name'),
    addresses: decodeAddresses(fields, 'addresses'),
    node: readText(fields, 'node', defaults.node),
    hostNetwork: readFlag(fields, 'hostNetwork', defaults.hostNetwork),
    trustDomain: readText(fields, 'trustDomain'),
    serviceAccount: readText(fields, 'serviceAccount', defaults.serviceAccount),
    locality: decodeLocality(readObject(fields, 'locality')),
    tunnel: readChoice(fields, 'tunnel', ['none', 'hbone'], defaults.tunnel),
    enrolled: readFlag(fields, 'enrolled', defaults.enrolled),
    ready: readFlag(fields, 'ready', defaults.ready),
    owner: readText(fields, 'owner', defaults.owner),
    ownerKind: readText(fields, 'ownerKind', defaults.ownerKind),
    canonicalName: readText(fields, 'canonicalName', defaults.canonicalName),
    canonicalRevision: readText(fields, 'canonicalRevision', defaults.canonicalRevision),
    app: readText(fields, 'app', defaults.app),
    version: readText(fields, 'version', defaults.version),
    ...(hasField(fields, 'services') ? { services: readTexts(fields, 'services') } : {}),
  }
}

function decodeLocality(fields: Fields): Locality {
  return {
    region: readText(fields, 'region', ''),
    zone: readText(fields, 'zone', ''),
    subzone: readText(fields, 'subzone', ''),
  }
}
