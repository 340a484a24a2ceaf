import type { CheckId } from '../catalogue.ts'
import { type Environment, parseRelease } from '../environment.ts'
import type { Finding } from '../verdict.ts'

/** Oldest kernel line that has every helper, and oldest that is tested in guests. */
const FLOOR = { major: 5, minor: 15 }
const TESTED = { major: 6, minor: 1 }
/** Since 5.11 maps are charged to the memory cgroup. */
const MEMCG_ACCOUNTING = { major: 5, minor: 11 }

const NOFILE_COMFORTABLE = 65_536
const MEMLOCK_NEEDED_BYTES = 512 * 1024 * 1024

/** What can be said from /proc alone, without touching the kernel. */
export function probeMachine(environment: Environment): ReadonlyMap<CheckId, Finding> {
  const findings = new Map<CheckId, Finding>([
    ['kernel', judgeKernel(environment.kernel)],
    ['user', judgeUser(environment)],
    ['nofile', judgeNofile(environment.nofileHard)],
    ['memlock', judgeMemlock(environment)],
  ])
  for (const [id, name] of capabilityChecks) {
    const granted = environment.capabilities.has(name)
    findings.set(id, granted ? ok('granted') : { status: 'fail', detail: 'not granted' })
  }
  return findings
}

const capabilityChecks: readonly (readonly [CheckId, string])[] = [
  ['cap-bpf', 'CAP_BPF'],
  ['cap-net-admin', 'CAP_NET_ADMIN'],
  ['cap-perfmon', 'CAP_PERFMON'],
  ['cap-sys-admin', 'CAP_SYS_ADMIN'],
  ['cap-sys-ptrace', 'CAP_SYS_PTRACE'],
]

function judgeKernel(kernel: string): Finding {
  if (isBefore(kernel, FLOOR)) {
    const reason =
      'sockops and sk_msg there cannot tell network namespaces apart (bpf_get_netns_cookie)'
    return { status: 'fail', detail: `${kernel} is older than 5.15: ${reason}` }
  }
  if (isBefore(kernel, TESTED)) {
    return {
      status: 'warn',
      detail: `${kernel} is untested: 6.1 is the oldest kernel that Sluice is tested on`,
      effect:
        'It may work: the checks below were really made. Nobody runs the tests on this kernel.',
      fix: 'Boot kernel 6.1 or newer.',
    }
  }
  return ok(kernel)
}

function judgeUser({ uid, capabilities }: Environment): Finding {
  if (uid === 0 && capabilities.size > 0) return ok('root')
  if (capabilities.has('CAP_BPF')) return ok(`uid ${uid} with capabilities`)
  return { status: 'fail', detail: `uid ${uid} without CAP_BPF` }
}

function judgeNofile(hard: number): Finding {
  const text = Number.isFinite(hard) ? hard.toLocaleString('en') : 'unlimited'
  if (hard >= NOFILE_COMFORTABLE) return ok(text)
  return {
    status: 'warn',
    detail: `${text}: about ${Math.floor(hard / 2).toLocaleString('en')} connections at once`,
  }
}

function judgeMemlock({ kernel, memlockBytes, capabilities }: Environment): Finding {
  if (!isBefore(kernel, MEMCG_ACCOUNTING)) return ok('not charged on this kernel')
  if (memlockBytes >= MEMLOCK_NEEDED_BYTES) return ok('enough')
  if (capabilities.has('CAP_SYS_RESOURCE')) return ok('raised by the loader (CAP_SYS_RESOURCE)')
  return { status: 'fail', detail: `${memlockBytes} bytes on a kernel older than 5.11` }
}

function isBefore(kernel: string, line: { major: number; minor: number }): boolean {
  const { major, minor } = parseRelease(kernel)
  return major < line.major || (major === line.major && minor < line.minor)
}

function ok(detail: string): Finding {
  return { status: 'ok', detail }
}
