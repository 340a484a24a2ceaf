import { pairedRatio, type Spread, spread } from '../statistics.ts'

export const PEERS = ['direct', 'off', 'auto', 'nginx'] as const
export type Peer = (typeof PEERS)[number]

/** Of a quiet pod's 64 B there and back. */
export interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
}

export interface Round {
  readonly alone: Latency
  readonly stormy: Latency
  /** Of the storm. */
  readonly opsPerSecond: number
  readonly failed: number
}

export interface Case {
  readonly storm: string
  readonly peer: Peer
  readonly rounds: readonly Round[]
}

/** How much later the slowest hundredth is in the storm. */
function riseUs({ alone, stormy }: Round): number {
  return stormy.p99Us - alone.p99Us
}

const FIGURES = {
  aloneP50Us: ({ alone }: Round) => alone.p50Us,
  aloneP99Us: ({ alone }: Round) => alone.p99Us,
  stormyP50Us: ({ stormy }: Round) => stormy.p50Us,
  stormyP99Us: ({ stormy }: Round) => stormy.p99Us,
  riseP99Us: riseUs,
  riseP99Factor: ({ alone, stormy }: Round) => stormy.p99Us / alone.p99Us,
  stormOpsPerSecond: ({ opsPerSecond }: Round) => opsPerSecond,
  stormFailed: ({ failed }: Round) => failed,
} as const

type Figure = keyof typeof FIGURES
const NAMES = Object.keys(FIGURES) as readonly Figure[]

function column({ rounds }: Case, figure: Figure): number[] {
  return rounds.map(FIGURES[figure])
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

function spreadOf(of: Case, figure: Figure): Spread {
  const { median, min, max } = spread(column(of, figure))
  return { median: rounded(median), min: rounded(min), max: rounded(max) }
}

/**
 * Sluice's rise over nginx's, in microseconds and as factors: at most 1 is what is asked for.
 * Medians of the ratios round by round.
 */
export function ratiosOf(cases: readonly Case[]): Record<string, number> {
  const ratios: Record<string, number> = {}
  for (const above of cases) {
    if (above.peer !== 'off' && above.peer !== 'auto') continue
    const below = cases.find(({ storm, peer }) => storm === above.storm && peer === 'nginx')
    if (below === undefined) continue
    for (const figure of ['riseP99Us', 'riseP99Factor'] as const) {
      const ratio = pairedRatio(column(above, figure), column(below, figure))
      ratios[`${figure}.${above.storm}.${above.peer}/nginx`] = rounded(ratio)
    }
  }
  return ratios
}

export function asJson(rounds: number, cases: readonly Case[]): string {
  return JSON.stringify({
    bench: 'fairness',
    rounds,
    cases: cases.map((one) => {
      const spreads = NAMES.map((figure) => [figure, spreadOf(one, figure)] as const)
      return {
        name: one.storm,
        peer: one.peer,
        ...Object.fromEntries(spreads.map(([figure, { median }]) => [figure, median])),
        spread: Object.fromEntries(spreads),
      }
    }),
    ratios: ratiosOf(cases),
  })
}

export function asText(cases: readonly Case[]): string {
  const lines = [
    'storm             peer     alone: p50     p99   storm: p50     p99   p99 rises by' +
      '  storm a second  failed',
  ]
  for (const one of cases) {
    const cell = (figure: Figure, width: number): string =>
      `${spreadOf(one, figure).median}`.padStart(width)
    lines.push(
      one.storm.padEnd(18) +
        one.peer.padEnd(8) +
        cell('aloneP50Us', 11) +
        cell('aloneP99Us', 8) +
        cell('stormyP50Us', 13) +
        cell('stormyP99Us', 8) +
        cell('riseP99Us', 15) +
        cell('stormOpsPerSecond', 16) +
        cell('stormFailed', 8),
    )
  }
  for (const [name, value] of Object.entries(ratiosOf(cases)))
    lines.push(`ratio ${name} = ${value}`)
  return lines.join('\n')
}
