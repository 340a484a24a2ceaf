export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What a node serves at /metrics. */
export interface Metrics {
  readonly samples: readonly Sample[]
  /** Of all samples of that name with at least these labels; 0 where there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

/** Reads Prometheus' text format. @throws Error with the line that it cannot read */
export function parseMetrics(text: string): Metrics {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseSample)
  return {
    samples,
    sum: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name && hasLabels(sample, labels))
        .reduce((total, { value }) => total + value, 0),
  }
}

function parseSample(line: string): Sample {
  const match = /^([^{\s]+)(?:\{(.*)\})? (\S+)$/.exec(line)
  if (match === null) throw new Error(`'${line}' is no sample of Prometheus' text format`)
  const [, name = '', inner = '', value] = match
  const labels = Object.fromEntries(
    [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [
      key,
      text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]),
  )
  return { name, labels, value: Number(value) }
}

function hasLabels({ labels }: Sample, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value)
}
