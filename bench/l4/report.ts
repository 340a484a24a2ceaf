import { pairedRatio, type Spread, spread } from '../statistics.ts'
import type { Measurement } from './workloads.ts'

export const PEERS = ['direct', 'off', 'auto', 'full', 'haproxy', 'nginx'] as const
export type Peer = (typeof PEERS)[number]
export type Topology = 'same-node' | 'two-nodes'

/** One case: a topology and workload, measured with one peer, once a round. */
export interface Case {
  readonly topology: Topology
  readonly workload: string
  readonly peer: Peer
  readonly rounds: readonly Measurement[]
}

export interface IdleMemory {
  readonly peer: Peer
  readonly connections: number
  readonly userBytesPerConnection: number
}

type Figure = keyof Measurement

const FIGURES: readonly Figure[] = [
  'p50Us',
  'p99Us',
  'p999Us',
  'gbps',
  'connPerSec',
  'failed',
  'cpuUsPerOp',
]

function column(of: Case, figure: Figure): number[] {
  return of.rounds.flatMap((round) => round[figure] ?? [])
}

function figuresOf(of: Case): Partial<Record<Figure, number>> & { spread: Record<string, Spread> } {
  const medians: Partial<Record<Figure, number>> = {}
  const spreads: Record<string, Spread> = {}
  for (const figure of FIGURES) {
    const values = column(of, figure)
    if (values.length === 0) continue
    const all = spread(values)
    medians[figure] = round3(all.median)
    spreads[figure] = { median: round3(all.median), min: round3(all.min), max: round3(all.max) }
  }
  return { ...medians, spread: spreads }
}

function round3(value: number): number {
  return Number(value.toPrecision(4))
}

interface RatioRule {
  readonly name: string
  readonly workload: string
  readonly figure: Figure
  readonly above: Peer
  readonly below: Peer
}

/** The ratios with a target, on one node; the same for two nodes come under a prefix. */
const RATIOS: readonly RatioRule[] = [
  rule('p50.full/direct', 'pingpong-64', 'p50Us', 'full', 'direct'),
  rule('gbps.full/direct', 'stream-65536', 'gbps', 'full', 'direct'),
  rule('cpuPerGb.full/direct', 'stream-65536', 'cpuUsPerOp', 'full', 'direct'),
  rule('cpu.auto/haproxy', 'pingpong-64', 'cpuUsPerOp', 'auto', 'haproxy'),
  rule('cpu.auto/nginx', 'pingpong-64', 'cpuUsPerOp', 'auto', 'nginx'),
  rule('connPerSec.auto/haproxy', 'connect', 'connPerSec', 'auto', 'haproxy'),
  rule('p99.auto/haproxy', 'pingpong-64', 'p99Us', 'auto', 'haproxy'),
  rule('gbps.auto/haproxy', 'stream-65536', 'gbps', 'auto', 'haproxy'),
  rule('cpuPerGb.auto/haproxy', 'stream-65536', 'cpuUsPerOp', 'auto', 'haproxy'),
]

function rule(name: string, workload: string, figure: Figure, above: Peer, below: Peer): RatioRule {
  return { name, workload, figure, above, below }
}

export function ratiosOf(cases: readonly Case[]): Record<string, number> {
  const ratios: Record<string, number> = {}
  for (const topology of ['same-node', 'two-nodes'] as const) {
    for (const { name, workload, figure, above, below } of RATIOS) {
      const find = (peer: Peer): Case | undefined =>
        cases.find((c) => c.topology === topology && c.workload === workload && c.peer === peer)
      const [a, b] = [find(above), find(below)]
      if (a === undefined || b === undefined) continue
      const key = topology === 'same-node' ? name : `twoNodes.${name}`
      ratios[key] = round3(pairedRatio(column(a, figure), column(b, figure)))
    }
  }
  return ratios
}

export function asJson(
  rounds: number,
  cases: readonly Case[],
  idle: readonly IdleMemory[],
): string {
  return JSON.stringify({
    bench: 'l4',
    rounds,
    cases: cases.map((c) => ({
      name: `${c.topology}/${c.workload}`,
      peer: c.peer,
      ...figuresOf(c),
    })),
    idleMemory: idle,
    ratios: ratiosOf(cases),
  })
}

export function asText(cases: readonly Case[], idle: readonly IdleMemory[]): string {
  const lines = [
    'case                       peer      p50 us  p99 us  p99.9   Gbit/s  conn/s   cpu us/op',
  ]
  for (const c of cases) {
    const f = figuresOf(c)
    const cell = (value: number | undefined, width: number): string =>
      (value === undefined ? '' : `${value}`).padStart(width)
    lines.push(
      `${c.topology}/${c.workload}`.padEnd(27) +
        c.peer.padEnd(8) +
        cell(f.p50Us, 8) +
        cell(f.p99Us, 8) +
        cell(f.p999Us, 7) +
        cell(f.gbps, 9) +
        cell(f.connPerSec, 8) +
        cell(f.cpuUsPerOp, 12),
    )
  }
  for (const { peer, connections, userBytesPerConnection } of idle) {
    lines.push(`idle: ${peer}, ${connections} connections: ${userBytesPerConnection} bytes each`)
  }
  for (const [name, value] of Object.entries(ratiosOf(cases)))
    lines.push(`ratio ${name} = ${value}`)
  return lines.join('\n')
}
