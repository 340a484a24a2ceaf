import {
  type Fields,
  hasField,
  portRange,
  readChoice,
  readFlag,
  readObjects,
  readText,
  readTexts,
  readWhole,
} from '../fields.ts'
import type { Endpoint, NetworkAddress, Service, ServicePort } from '../resources.ts'
import { decodeAddress, decodeAddresses, encodeAddress } from './address-codec.ts'
import { omitDefaults } from './omit-defaults.ts'
import { encodeTargetPorts, type TargetPortsDecoder, targetPortsDecoder } from './target-ports.ts'

const defaults = {
  addresses: [],
  ports: [],
  endpoints: [],
  clientIpAffinitySeconds: 0,
  internalTrafficPolicy: 'cluster',
  externalTrafficPolicy: 'cluster',
  publishNotReadyAddresses: false,
  trafficDistribution: '',
} as const

const portDefaults = { name: '', appProtocol: '' } as const

/** Most endpoints are ready, so that is what is not said. */
const endpointDefaults = {
  workload: '',
  node: '',
  zone: '',
  ready: true,
  serving: true,
  terminating: false,
  zoneHints: [],
  nodeHints: [],
} as const

/** Kubernetes allows a day. */
const affinityRange = { min: 0, max: 86_400 }

export function encodeService(service: Service): object {
  const { addresses, externalAddresses, ports, endpoints } = service
  return {
    ...omitDefaults(service, defaults),
    ...(addresses.length > 0 ? { addresses: addresses.map(encodeAddress) } : {}),
    ...(externalAddresses === undefined
      ? {}
      : { externalAddresses: externalAddresses.map(encodeAddress) }),
    ...(ports.length > 0 ? { ports: ports.map((port) => omitDefaults(port, portDefaults)) } : {}),
    ...(endpoints.length > 0 ? { endpoints: endpoints.map(encodeEndpoint) } : {}),
  }
}

function encodeEndpoint(endpoint: Endpoint): object {
  return {
    ...omitDefaults(endpoint, endpointDefaults),
    address: encodeAddress(endpoint.address),
    ports: encodeTargetPorts(endpoint.ports),
  }
}

export function decodeService(fields: Fields): Service {
  return {
    type: 'service',
    key: readText(fields, 'key'),
    namespace: readText(fields, 'namespace'),
    name: readText(fields, 'name'),
    hostname: readText(fields, 'hostname'),
    addresses: decodeAddresses(fields, 'addresses'),
    ...(hasField(fields, 'externalAddresses')
      ? { externalAddresses: decodeAddresses(fields, 'externalAddresses') }
      : {}),
    ports: readObjects(fields, 'ports').map(decodePort),
    endpoints: decodeEndpoints(fields),
    ...(hasField(fields, 'endpointsOmitted')
      ? { endpointsOmitted: readFlag(fields, 'endpointsOmitted') }
      : {}),
    ...(hasField(fields, 'addressesOmitted')
      ? { addressesOmitted: readFlag(fields, 'addressesOmitted') }
      : {}),
    clientIpAffinitySeconds: readWhole(fields, 'clientIpAffinitySeconds', affinityRange, 0),
    internalTrafficPolicy: readChoice(
      fields,
      'internalTrafficPolicy',
      ['cluster', 'local'],
      'cluster',
    ),
    externalTrafficPolicy: readChoice(
      fields,
      'externalTrafficPolicy',
      ['cluster', 'local'],
      'cluster',
    ),
    publishNotReadyAddresses: readFlag(fields, 'publishNotReadyAddresses', false),
    trafficDistribution: readChoice(
      fields,
      'trafficDistribution',
      ['', 'preferSameZone', 'preferSameNode'],
      '',
    ),
  }
}

function decodePort(fields: Fields): ServicePort {
  return {
    name: readText(fields, 'name', portDefaults.name),
    port: readWhole(fields, 'port', portRange),
    appProtocol: readText(fields, 'appProtocol', portDefaults.appProtocol),
  }
}

function decodeEndpoints(fields: Fields): readonly Endpoint[] {
  const decodePorts = targetPortsDecoder()
  return readObjects(fields, 'endpoints').map((endpoint) => decodeEndpoint(endpoint, decodePorts))
}

const nowhere: NetworkAddress = { network: '', ip: '' }

function decodeEndpoint(fields: Fields, decodePorts: TargetPortsDecoder): Endpoint {
  return {
    workload: readText(fields, 'workload', endpointDefaults.workload),
    address: decodeAddress(readText(fields, 'address'), fields, 'address') ?? nowhere,
    ports: decodePorts(fields),
    node: readText(fields, 'node', endpointDefaults.node),
    zone: readText(fields, 'zone', endpointDefaults.zone),
    ready: readFlag(fields, 'ready', endpointDefaults.ready),
    serving: readFlag(fields, 'serving', endpointDefaults.serving),
    terminating: readFlag(fields, 'terminating', endpointDefaults.terminating),
    zoneHints: readTexts(fields, 'zoneHints'),
    nodeHints: readTexts(fields, 'nodeHints'),
  }
}
