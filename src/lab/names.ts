import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cgroup2Mount } from './mounts.ts'

/**
 * Everything that a lab leaves in the machine's own namespaces is under one of these, and only
 * these.
 */
export interface LabPaths {
  /** State, sockets and logs; its creation is what makes a lab's name taken. */
  readonly run: string
  readonly cgroup: string
  /** Below bpffs. */
  readonly bpffs: string
}

const NETNS_FOLDER = '/run/netns'
const RUN_FOLDER = '/run/sluice-lab'
const PREFIX = 'sluice-lab-'
/** Where everybody mounts it, systemd too. */
export const BPFFS = '/sys/fs/bpf'

/** @throws Error when the name would not do as a part of file names */
export function labPaths(lab: string): LabPaths {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(lab)) {
    throw new Error(`'${lab}' cannot name a lab: use up to 40 of a-z, 0-9 and '-'`)
  }
  return {
    run: join(RUN_FOLDER, lab),
    cgroup: join(cgroup2Mount(), PREFIX + lab),
    bpffs: join(BPFFS, PREFIX + lab),
  }
}

/**
 * The name, for ip-netns(8), of one of the lab's namespaces: `fabric`, `node.<name>`,
 * `pod.<namespace>.<name>`.
 */
export function netnsName(lab: string, part: string): string {
  // The dot ends the lab's name, which has none: lab `a` never matches what belongs to `a-b`.
  return `${PREFIX}${lab}.${part}`
}

export function netnsPath(name: string): string {
  return join(NETNS_FOLDER, name)
}

/** All namespaces of a lab, found by name. */
export function netnsNamesOf(lab: string): string[] {
  return existsSync(NETNS_FOLDER)
    ? readdirSync(NETNS_FOLDER).filter((name) => name.startsWith(netnsName(lab, '')))
    : []
}

/** Labs that left anything on this machine, whether somebody owns them or not. */
export function labsOnMachine(): string[] {
  const names = new Set<string>()
  for (const name of namesIn(NETNS_FOLDER)) names.add(name.split('.')[0] ?? '')
  for (const folder of [cgroup2Mount(), BPFFS]) {
    for (const name of namesIn(folder)) names.add(name)
  }
  const labs = [...names]
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length))
  return [...new Set([...labs, ...namesIn(RUN_FOLDER).map((name) => basename(name))])].sort()
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
