/**
 * The kernels that Sluice is tested on, as Debian offers them. Series, never versions: those leave
 * the index.
 */
export interface KernelSeries {
  /** What `--kernel` names. */
  readonly name: string
  readonly suite: Suite
  /** Undefined: whatever is newest in the suite. */
  readonly series?: string
  readonly expect: 'works' | 'refused'
  /** Part of the short form that CI runs. */
  readonly ci: boolean
}

export interface Suite {
  readonly name: string
  /** Path below the mirror. */
  readonly archive: 'debian' | 'debian-security'
}

const bullseye: Suite = { name: 'bullseye-security', archive: 'debian-security' }
const bookworm: Suite = { name: 'bookworm-security', archive: 'debian-security' }
const backports: Suite = { name: 'trixie-backports', archive: 'debian' }

export const kernelSeries: readonly KernelSeries[] = [
  { name: '5.10', suite: bullseye, series: '5.10', expect: 'refused', ci: false },
  { name: '6.1', suite: bookworm, series: '6.1', expect: 'works', ci: true },
  { name: '6.12', suite: bookworm, series: '6.12', expect: 'works', ci: true },
  { name: 'stable', suite: backports, expect: 'works', ci: false },
]

/** A series of the table, or one that backports may have (`6.18`). */
export function findSeries(name: string): KernelSeries {
  const known = kernelSeries.find((series) => series.name === name)
  if (known !== undefined) return known
  if (/^\d+\.\d+$/.test(name)) {
    return { name, suite: backports, series: name, expect: 'works', ci: false }
  }
  const names = kernelSeries.map((series) => series.name).join(', ')
  throw new Error(
    `'${name}' is no kernel series: ${names}, or one of trixie-backports such as 6.18`,
  )
}

/**
 * The newest cloud kernel image among package names, of one series or of all. Names look like
 * `linux-image-6.1.0-56-cloud-amd64` and `linux-image-7.2.12+deb13-cloud-amd64`; the meta packages
 * (`linux-image-6.12-cloud-amd64`), debug symbols and unsigned images are not what is wanted.
 */
export function newestImage(
  names: readonly string[],
  series: string | undefined,
): string | undefined {
  let newest: { name: string; version: readonly number[] } | undefined
  for (const name of names) {
    const version = imageVersion(name)
    if (version === undefined) continue
    if (series !== undefined && `${version[0]}.${version[1]}` !== series) continue
    if (newest === undefined || compare(version, newest.version) > 0) newest = { name, version }
  }
  return newest?.name
}

function imageVersion(name: string): readonly number[] | undefined {
  const [, text] = /^linux-image-(\d+\.\d+\.\d+[^a-z]*(?:\+deb\d+)?)-cloud-amd64$/.exec(name) ?? []
  // 6.1.0-0.deb11.52 is the backport of another suite.
  if (text === undefined || text.includes('.deb')) return undefined
  return text
    .replace(/\+deb\d+$/, '')
    .split(/[.-]/)
    .map(Number)
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
