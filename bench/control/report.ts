import type { ControlFigures } from './run.ts'

/** Of the one real node. */
export interface NodeFigures {
  readonly bytesPerService: number
  readonly bytesPerEndpoint: number
  /** From receipt to the begin of the first connection that goes there, in milliseconds. */
  readonly routed: readonly number[]
}

/** Undefined where there are no values. */
function percentile(values: readonly number[], part: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)]
}

function round(value: number | undefined, digits = 1): number | null {
  return value === undefined ? null : Number(value.toFixed(digits))
}

export function asJson(figures: ControlFigures | undefined, node: NodeFigures | undefined): string {
  return JSON.stringify({
    bench: 'control',
    bytesPerNode: round(figures?.bytesPerNode, 0),
    fullPushBytes: round(figures?.fullPushBytes, 0),
    unrelatedChangeBytes: round(figures?.unrelatedChangeBytes, 0),
    ackP99Ms: round(percentile(figures?.single ?? [], 0.99)),
    fanoutAckP99Ms: round(percentile(figures?.fanout ?? [], 0.99)),
    coldRestartS: round(figures?.coldRestartS),
    operatorRssMb: round(figures?.operatorRssMb, 0),
    nodeBytesPerService: round(node?.bytesPerService, 0),
    nodeBytesPerEndpoint: round(node?.bytesPerEndpoint, 0),
    endpointRoutedP99Ms: round(percentile(node?.routed ?? [], 0.99), 2),
  })
}

/** More than the JSON says: what the figures are made of. */
export function asText(figures: ControlFigures | undefined, node: NodeFigures | undefined): string {
  return [
    ...(figures === undefined ? [] : simulatedLines(figures)),
    ...(node === undefined ? [] : nodeLines(node)),
  ].join('\n')
}

function simulatedLines(figures: ControlFigures): string[] {
  const { bytesOwnPods, bytesHalf, bytesPerNode, fanoutNodes } = figures
  const proportion = (bytesPerNode - bytesOwnPods) / (bytesHalf - bytesOwnPods)
  const cpu = Object.entries(figures.operatorCpuS).map(
    ([phase, seconds]) =>
      `  ${phase.padEnd(24)} ${round(seconds)} s, nodes ${round(figures.nodesCpuS[phase])} s`,
  )
  return [
    `start to ready: ${round(figures.startS)} s`,
    `nodes have all they use after ${round(figures.firstUseS)} s more`,
    `bytes a node: own pods ${round(bytesOwnPods, 0)}, with half of its services ` +
      `${round(bytesHalf, 0)}, with all ${round(bytesPerNode, 0)}`,
    `all over half, without own pods: ${round(proportion, 3)}`,
    `full push: ${figures.fullPushBytes} bytes`,
    `unrelated changes: ${figures.unrelatedChangeBytes} bytes`,
    `acknowledgements of what was not to be sent: ${figures.unexpectedAcks}`,
    `change to ack, one node: ${quantiles(figures.single)}`,
    `change to last ack, ${fanoutNodes} nodes: ${quantiles(figures.fanout)}`,
    `cold restart of all nodes: ${round(figures.coldRestartS)} s`,
    `operator: ${round(figures.operatorRssMb, 0)} MB at most; CPU:`,
    ...cpu,
  ]
}

function nodeLines(node: NodeFigures): string[] {
  return [
    `real node: ${round(node.bytesPerService, 0)} bytes a service, ` +
      `${round(node.bytesPerEndpoint, 0)} an endpoint`,
    `endpoint change to next connection: ${quantiles(node.routed)}`,
  ]
}

function quantiles(values: readonly number[]): string {
  const at = (part: number) => `${round(percentile(values, part))} ms`
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}, of ${values.length}`
}
