import { readFileSync } from 'node:fs'
import { release } from 'node:os'

/** What /proc says about this process and machine, read once. */
export interface Environment {
  /** `uname -r`. */
  readonly kernel: string
  readonly uid: number
  readonly capabilities: ReadonlySet<string>
  /** Infinity where unlimited. */
  readonly nofileHard: number
  readonly memlockBytes: number
  readonly mounts: readonly Mount[]
}

export interface Mount {
  readonly root: string
  readonly point: string
  readonly type: string
  readonly readOnly: boolean
}

/** Bit numbers from include/uapi/linux/capability.h, of those that Sluice uses. */
const capabilityBits: Readonly<Record<string, number>> = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
}

/** Reads the environment of this process; throws where /proc is not mounted. */
export function readEnvironment(): Environment {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return {
    kernel: release(),
    uid: process.geteuid?.() ?? 0,
    capabilities: parseCapabilities(readFileSync('/proc/self/status', 'utf8')),
    nofileHard: parseLimit(limits, 'Max open files').hard,
    memlockBytes: parseLimit(limits, 'Max locked memory').soft,
    mounts: parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')),
  }
}

/** The effective capabilities in the text of /proc/PID/status, of those that Sluice uses. */
export function parseCapabilities(status: string): ReadonlySet<string> {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  const mask = BigInt(`0x${hex}`)
  const names = Object.entries(capabilityBits).filter(
    ([, bit]) => ((mask >> BigInt(bit)) & 1n) === 1n,
  )
  return new Set(names.map(([name]) => name))
}

/** One line of /proc/PID/limits; `unlimited` and absent lines become Infinity. */
export function parseLimit(limits: string, name: string): { soft: number; hard: number } {
  const line = limits.split('\n').find((text) => text.startsWith(name)) ?? ''
  const [soft, hard] = line.slice(name.length).trim().split(/\s+/)
  const value = (text: string | undefined): number =>
    text !== undefined && /^\d+$/.test(text) ? Number(text) : Infinity
  return { soft: value(soft), hard: value(hard) }
}

/** The text of /proc/PID/mountinfo, later mounts last (the last one on a point is the one seen). */
export function parseMountinfo(text: string): readonly Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ')
    const [, , , root, point, options] = (before ?? '').split(' ')
    const [type, , superOptions] = (after ?? '').split(' ')
    if (root === undefined || point === undefined || type === undefined) continue
    const readOnly = [options, superOptions].some(
      (list) => list?.split(',').includes('ro') ?? false,
    )
    mounts.push({ root: unescape(root), point: unescape(point), type, readOnly })
  }
  return mounts
}

/**
 * Where a file system of this type is to be used: at its usual place, else where it can be written,
 * else anywhere.
 */
export function findMount(
  mounts: readonly Mount[],
  type: string,
  usual?: string,
): Mount | undefined {
  const visible = mounts.filter(
    (mount, index) =>
      mount.type === type && !mounts.slice(index + 1).some(({ point }) => point === mount.point),
  )
  return (
    visible.find((mount) => mount.point === usual) ??
    visible.find((mount) => !mount.readOnly) ??
    visible[0]
  )
}

/** The bpffs to pin in. */
export function findBpffs(mounts: readonly Mount[]): Mount | undefined {
  return findMount(mounts, 'bpf', '/sys/fs/bpf')
}

/** Major and minor of a release such as `6.1.0-53-cloud-amd64`. */
export function parseRelease(kernel: string): { major: number; minor: number } {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(kernel) ?? []
  return { major: Number(major ?? 0), minor: Number(minor ?? 0) }
}

/** mountinfo writes space, tab, newline and backslash as octal. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
