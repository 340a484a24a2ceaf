import { type Fields, portRange, readText, reportField } from '../fields.ts'

type TargetPorts = Readonly<Record<number, number>>

/** As `80:8080 443:8443`: service port, then the endpoint's. */
export function encodeTargetPorts(ports: TargetPorts): string {
  return Object.entries(ports)
    .map(([port, target]) => `${port}:${target}`)
    .join(' ')
}

export type TargetPortsDecoder = (fields: Fields) => TargetPorts

/**
 * Endpoints of one service mostly have the same ports, and an object with numbers for keys takes
 * kilobytes: what one decoder returns is shared between endpoints.
 */
export function targetPortsDecoder(): TargetPortsDecoder {
  const known = new Map<string, TargetPorts>()
  return (fields) => {
    const text = readText(fields, 'ports', '')
    const found = known.get(text)
    if (found !== undefined) return found
    const ports = parse(text)
    if (ports !== undefined) known.set(text, ports)
    else {
      const fix = "give 'port:port' with numbers from 1 to 65535, separated by blanks"
      reportField(fields, 'ports', `has ${JSON.stringify(text)}`, fix)
    }
    return ports ?? {}
  }
}

function parse(text: string): TargetPorts | undefined {
  const ports: Record<number, number> = {}
  for (const pair of text.split(' ').filter((part) => part !== '')) {
    const found = /^(\d{1,5}):(\d{1,5})$/.exec(pair)
    const [port, target] = [Number(found?.[1]), Number(found?.[2])]
    if (!isPort(port) || !isPort(target)) return undefined
    ports[port] = target
  }
  return ports
}

function isPort(port: number): boolean {
  return port >= portRange.min && port <= portRange.max
}
