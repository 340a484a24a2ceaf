import { join } from 'node:path'

const program = join(import.meta.dirname, '../../../build/Release/sluice-enter')

/** Where a process of the lab is born; what is not given stays as it is for the caller. */
export interface Place {
  /** cgroup v2 folder. */
  readonly cgroup?: string
  /** File of a network namespace. */
  readonly netns?: string
}

export interface EnterOptions {
  /** net.* of the namespace, set before the command runs. */
  readonly sysctls?: Readonly<Record<string, string>>
  /**
   * The namespaces, mounts and capabilities of a container; else the process sees the machine as
   * root.
   */
  readonly container?: boolean
  /** With `container`: capabilities beyond the default set. */
  readonly capabilities?: readonly Capability[]
  readonly user?: number
  /** Outlives whoever started it (the janitor still ends it with the lab). */
  readonly outlive?: boolean
}

export type Capability = 'NET_ADMIN' | 'NET_RAW' | 'SYS_ADMIN' | 'SYS_PTRACE' | 'BPF' | 'IPC_LOCK'

/** The argument vector that runs `command` at that place. */
export function enterArgv(
  place: Place,
  command: readonly string[],
  options: EnterOptions = {},
): string[] {
  return [...head(place, options), '--', ...command]
}

/**
 * The argument vector of a pod's first process: it keeps cgroup and namespace alive and says
 * "ready".
 */
export function pauseArgv(place: Place): string[] {
  return [...head(place, {}), '--pause']
}

function head(place: Place, options: EnterOptions): string[] {
  const argv = [program]
  if (place.cgroup !== undefined) argv.push('--cgroup', place.cgroup)
  if (place.netns !== undefined) argv.push('--netns', place.netns)
  for (const [key, value] of Object.entries(options.sysctls ?? {}))
    argv.push('--sysctl', `${key}=${value}`)
  if (options.container === true) argv.push('--container')
  for (const capability of options.capabilities ?? []) argv.push('--cap', capability)
  if (options.user !== undefined) argv.push('--user', `${options.user}`)
  if (options.outlive !== true) argv.push('--die-with-parent')
  return argv
}
