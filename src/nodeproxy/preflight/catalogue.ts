/**
 * Every question preflight asks, in the order of asking. A probe finds the answer (probes/); this table
 * says what a bad answer costs and what to do about it, so that people read the same words everywhere.
 */
export interface CatalogueEntry {
  readonly id: CheckId
  readonly title: string
  /** An optional check that fails switches features off and leaves the verdict ok. */
  readonly optional: boolean
  /** Checks without which the question can not be asked. */
  readonly needs: readonly CheckId[]
  readonly effect: string
  readonly fix: string
}

export type CheckId =
  | 'kernel'
  | 'user'
  | 'cap-bpf'
  | 'cap-net-admin'
  | 'cap-perfmon'
  | 'cap-sys-admin'
  | 'cap-sys-ptrace'
  | 'nofile'
  | 'memlock'
  | 'addon'
  | 'btf'
  | 'cgroup2'
  | 'kubepods'
  | 'bpffs'
  | 'netns'
  | 'ipv6'
  | 'hook-connect4'
  | 'hook-connect6'
  | 'hook-getpeername4'
  | 'hook-getpeername6'
  | 'hook-setsockopt'
  | 'hook-sockops'
  | 'hook-sk-lookup'
  | 'hook-sk-msg'
  | 'sockhash'
  | 'netns-cookie'
  | 'redirect'
  | 'accounting'
  | 'tracepoint-splice'
  | 'tracepoint-fcntl'
  | 'tracepoint-ioctl'
  | 'programs'
  | 'data-path'
  | 'data-path-ipv6'
  | 'mptcp'

const NO_MESH = 'No pod of this node can be brought into the mesh.'
const NO_ACCELERATION =
  'Acceleration is off: bytes between an app and the proxy take the TCP stack (about 7 us of CPU more for ' +
  'each request in the proxy, 15 us on the whole path), and same-node pairs stay in the proxy.'
const NO_IPV6 = 'IPv6 connections of enrolled pods go direct, outside the mesh; IPv4 is served.'
const NEWER_KERNEL =
  'Use a kernel of 6.1 or newer built with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and CONFIG_DEBUG_INFO_BTF.'
const SOCKMAP_KERNEL =
  'Use kernel 6.1.123, 6.12.8 or newer, built with CONFIG_BPF_STREAM_PARSER or CONFIG_NET_SOCK_MSG.'
const GRANT = 'Run as root, or grant the capability (DaemonSet: securityContext.capabilities.add).'

/** What loading any program takes. */
const toLoad = ['cap-bpf', 'cap-net-admin', 'cap-perfmon', 'addon', 'btf'] as const
/** What seeing a hook act takes: a cgroup and a network namespace of our own. */
const toAct = [...toLoad, 'cap-sys-admin', 'cgroup2', 'netns'] as const
const toMoveBytes = [...toAct, 'hook-sockops', 'hook-sk-msg', 'sockhash'] as const

export const catalogue: readonly CatalogueEntry[] = [
  required('kernel', 'Kernel is in the supported range', [], NO_MESH, 'Boot kernel 6.1 or newer.'),
  required(
    'user',
    'User may load BPF programs',
    [],
    'Nothing of Sluice can run, and most checks below could not be made.',
    'Run as root: `sudo sluice preflight`, or in a privileged pod with hostPID.',
  ),
  required('cap-bpf', 'CAP_BPF', [], 'Programs and maps can not be loaded. ' + NO_MESH, GRANT),
  required(
    'cap-net-admin',
    'CAP_NET_ADMIN',
    [],
    'Hooks can not be attached to cgroups, namespaces and sockets. ' + NO_MESH,
    GRANT,
  ),
  required(
    'cap-perfmon',
    'CAP_PERFMON',
    [],
    'Programs may not read kernel sockets. ' + NO_MESH,
    GRANT,
  ),
  required(
    'cap-sys-admin',
    'CAP_SYS_ADMIN',
    [],
    "Pods' network namespaces can not be entered. " + NO_MESH,
    GRANT,
  ),
  required(
    'cap-sys-ptrace',
    'CAP_SYS_PTRACE',
    [],
    "Pods' network namespaces can not be found in /proc. " + NO_MESH,
    GRANT,
  ),
  optional(
    'nofile',
    'Limit of open files',
    [],
    'One connection takes two descriptors and up to four while it is spliced: more than the limit allows are refused.',
    'Raise it: `ulimit -Hn 1048576`, LimitNOFILE= of the container runtime, or --ulimit nofile.',
  ),
  required(
    'memlock',
    'Limit of locked memory',
    [],
    'Kernels before 5.11 charge maps to RLIMIT_MEMLOCK and refuse to make them.',
    'Raise it: `ulimit -l unlimited`, or LimitMEMLOCK=infinity of the container runtime.',
  ),
  required(
    'addon',
    'Native addon and BPF objects',
    [],
    'Nothing of Sluice can run.',
    'From a clone: `npm run build`. In an image: use the image of this architecture, unchanged.',
  ),
  required(
    'btf',
    'Kernel describes its types (BTF)',
    ['cap-bpf', 'cap-perfmon', 'addon'],
    'Programs can not be fitted to this kernel. ' + NO_MESH,
    NEWER_KERNEL,
  ),
  required(
    'cgroup2',
    'cgroup2 is mounted and takes hooks',
    [],
    'Hooks have nowhere to be attached. ' + NO_MESH,
    "Mount it: `mount -t cgroup2 none /sys/fs/cgroup/unified` (any folder will do). In a pod: mount the host's /sys/fs/cgroup, writable.",
  ),
  optional(
    'kubepods',
    'Pods of a kubelet are found in it',
    ['cgroup2'],
    'There are no pods to enrol here, as on a machine before its kubelet has started.',
    'Start the kubelet first, or name the folder: `sluice preflight --kubepods <folder>`.',
  ),
  required(
    'bpffs',
    'bpffs is mounted and takes pins',
    ['cap-bpf', 'addon'],
    'Hooks and maps would not outlive the proxy: every restart would cut connections.',
    "Mount it: `mount -t bpf bpf /sys/fs/bpf`. In a pod: mount the host's /sys/fs/bpf.",
  ),
  required(
    'netns',
    'Network namespaces can be entered',
    ['cap-sys-admin', 'addon'],
    "Pods' network namespaces can not be entered. " + NO_MESH,
    'Use a kernel with CONFIG_NET_NS, and a seccomp profile that allows unshare and setns.',
  ),
  optional(
    'ipv6',
    'IPv6',
    ['netns'],
    NO_IPV6,
    'Load the ipv6 module and set net.ipv6.conf.all.disable_ipv6=0, if pods use IPv6.',
  ),
  required('hook-connect4', 'connect4 rewrites a destination', toAct, NO_MESH, NEWER_KERNEL),
  optional(
    'hook-connect6',
    'connect6 rewrites a destination',
    [...toAct, 'ipv6'],
    NO_IPV6,
    NEWER_KERNEL,
  ),
  required(
    'hook-getpeername4',
    'getpeername4 tells the app its peer',
    toAct,
    'Apps would see the pod itself as their peer: wrong logs, failing source checks.',
    NEWER_KERNEL,
  ),
  optional(
    'hook-getpeername6',
    'getpeername6 tells the app its peer',
    [...toAct, 'ipv6'],
    NO_IPV6,
    NEWER_KERNEL,
  ),
  optional(
    'hook-setsockopt',
    'setsockopt refuses an option',
    toAct,
    'Accelerated sockets could ask for kernel TLS and leak clear text, so: ' + NO_ACCELERATION,
    NEWER_KERNEL,
  ),
  required('hook-sockops', 'sockops sees connects before the SYN', toAct, NO_MESH, NEWER_KERNEL),
  required('hook-sk-lookup', 'sk_lookup steers a SYN', toAct, NO_MESH, NEWER_KERNEL),
  optional('hook-sk-msg', 'sk_msg verdict on a sockhash', toAct, NO_ACCELERATION, SOCKMAP_KERNEL),
  optional(
    'sockhash',
    'sockhash takes established sockets',
    [...toAct, 'hook-sockops', 'hook-sk-msg'],
    NO_ACCELERATION,
    SOCKMAP_KERNEL,
  ),
  required(
    'netns-cookie',
    'Network namespace cookie in each hook',
    toAct,
    'Programs can not tell pods apart. ' + NO_MESH,
    'Boot kernel 6.1 or newer (bpf_get_netns_cookie came to sockops in 5.15).',
  ),
  optional(
    'redirect',
    'Bytes move from socket to socket',
    toMoveBytes,
    NO_ACCELERATION,
    SOCKMAP_KERNEL,
  ),
  optional(
    'accounting',
    'Moved bytes are charged to the receiver',
    [...toMoveBytes, 'redirect'],
    "A slow reader's queue could not be bounded, so: " + NO_ACCELERATION,
    'Use kernel 6.1.123, 6.12.8 or newer: older ones do not count redirected bytes in sk_rmem_alloc.',
  ),
  optional(
    'tracepoint-splice',
    'Tracepoint sys_enter_splice',
    toAct,
    'In accelerate=full, a program that reads with splice(2) is not noticed and may lose bytes: leave it on auto.',
    'Use a kernel with CONFIG_FTRACE_SYSCALLS and mount tracefs: `mount -t tracefs tracefs /sys/kernel/tracing`.',
  ),
  optional(
    'tracepoint-fcntl',
    'Tracepoint sys_enter_fcntl',
    toAct,
    'In accelerate=auto, a program that turns a connected socket blocking by fcntl(2) stays accelerated and may see EAGAIN.',
    'Use a kernel with CONFIG_FTRACE_SYSCALLS and mount tracefs: `mount -t tracefs tracefs /sys/kernel/tracing`.',
  ),
  optional(
    'tracepoint-ioctl',
    'Tracepoint sys_enter_ioctl',
    toAct,
    'In accelerate=auto, a program that turns a connected socket blocking by ioctl(2) stays accelerated and may see EAGAIN.',
    'Use a kernel with CONFIG_FTRACE_SYSCALLS and mount tracefs: `mount -t tracefs tracefs /sys/kernel/tracing`.',
  ),
  required(
    'programs',
    "Sluice's programs pass the verifier",
    toLoad,
    NO_MESH,
    "Use a kernel of the tested list (docs/kernels.md); report the verifier's words with `-o json`.",
  ),
  required(
    'data-path',
    'A connection takes the whole data path',
    [...toAct, 'programs', 'bpffs'],
    NO_MESH,
    'Report this with `sluice preflight -o json`: every part works, and the whole does not.',
  ),
  optional(
    'data-path-ipv6',
    'So does an IPv6 connection',
    [...toAct, 'programs', 'bpffs', 'ipv6'],
    NO_IPV6,
    'Report this with `sluice preflight -o json`.',
  ),
  optional(
    'mptcp',
    'MPTCP clients go through it',
    [...toAct, 'data-path'],
    'Programs that ask for MPTCP (Go does, as a server) are not intercepted when they connect.',
    'Use kernel 6.1 or newer, or set net.mptcp.enabled=0.',
  ),
]

function required(
  id: CheckId,
  title: string,
  needs: readonly CheckId[],
  effect: string,
  fix: string,
): CatalogueEntry {
  return { id, title, optional: false, needs, effect, fix }
}

function optional(
  id: CheckId,
  title: string,
  needs: readonly CheckId[],
  effect: string,
  fix: string,
): CatalogueEntry {
  return { id, title, optional: true, needs, effect, fix }
}
