/**
 * Every question preflight asks, in the order of asking. A probe finds the answer (probes/); this
 * table says what a bad answer costs and what to do about it, so that people read the same words
 * everywhere.
 */
export interface CatalogueEntry extends Words {
  readonly id: CheckId
  readonly title: string
  /** An optional check that fails switches features off and leaves the verdict ok. */
  readonly optional: boolean
  /** Checks without which the question cannot be asked. */
  readonly needs: readonly CheckId[]
}

interface Words {
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
  | 'fionread'
  | 'tracepoint-splice'
  | 'tracepoint-fcntl'
  | 'tracepoint-ioctl'
  | 'programs'
  | 'programs-acceleration'
  | 'programs-tracepoints'
  | 'programs-kubelet'
  | 'data-path'
  | 'data-path-ipv6'
  | 'data-path-accelerated'
  | 'mptcp'

const NO_MESH = 'No pod of this node can be brought into the mesh.'
const NO_ACCELERATION =
  'Acceleration is off: bytes between an app and the proxy take the TCP stack (about 7 us of CPU ' +
  'more for each request in the proxy, 15 us on the whole path), and same-node pairs stay in it.'
const NO_IPV6 = 'IPv6 connections of enrolled pods go direct, outside the mesh; IPv4 is served.'
const NEWER_KERNEL =
  'Use a kernel of 6.1 or newer built with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and ' +
  'CONFIG_DEBUG_INFO_BTF.'
const SOCKMAP_KERNEL =
  'Use kernel 6.1.123, 6.12.8 or newer, built with CONFIG_BPF_STREAM_PARSER or CONFIG_NET_SOCK_MSG.'
const GRANT = 'Run as root, or grant the capability (DaemonSet: securityContext.capabilities.add).'
const TRACEFS = 'Use a kernel built with CONFIG_FTRACE_SYSCALLS.'
const REPORT = "Use a kernel of docs/kernels.md's list; report the verifier's words with `-o json`."

/** What loading any program takes. */
const toLoad = ['cap-bpf', 'cap-net-admin', 'cap-perfmon', 'addon', 'btf'] as const
/** What seeing a hook act takes: a cgroup and a network namespace of our own. */
const toAct = [...toLoad, 'cap-sys-admin', 'cgroup2', 'netns'] as const
const toMoveBytes = [...toAct, 'hook-sockops', 'hook-sk-msg', 'sockhash'] as const

export const catalogue: readonly CatalogueEntry[] = [
  required('kernel', 'Kernel is in the supported range', [], {
    effect: NO_MESH,
    fix: 'Boot kernel 6.1 or newer.',
  }),
  required('user', 'User may load BPF programs', [], {
    effect: 'Nothing of Sluice can run, and most checks below could not be made.',
    fix: 'Run as root: `sudo sluice preflight`, or in a privileged pod with hostPID.',
  }),
  required('cap-bpf', 'CAP_BPF', [], {
    effect: 'Programs and maps cannot be loaded. ' + NO_MESH,
    fix: GRANT,
  }),
  required('cap-net-admin', 'CAP_NET_ADMIN', [], {
    effect: 'Hooks cannot be attached to cgroups, namespaces and sockets. ' + NO_MESH,
    fix: GRANT,
  }),
  required('cap-perfmon', 'CAP_PERFMON', [], {
    effect: 'Programs may not read kernel sockets. ' + NO_MESH,
    fix: GRANT,
  }),
  required('cap-sys-admin', 'CAP_SYS_ADMIN', [], {
    effect: "Pods' network namespaces cannot be entered. " + NO_MESH,
    fix: GRANT,
  }),
  required('cap-sys-ptrace', 'CAP_SYS_PTRACE', [], {
    effect: "Pods' network namespaces cannot be found in /proc. " + NO_MESH,
    fix: GRANT,
  }),
  optional('nofile', 'Limit of open files', [], {
    effect:
      'A connection takes two descriptors, and up to four while it is spliced: beyond the limit' +
      ' they are refused.',
    fix:
      'Raise it: `ulimit -Hn 1048576`, LimitNOFILE= of the container runtime, or --ulimit ' +
      'nofile.',
  }),
  required('memlock', 'Limit of locked memory', [], {
    effect: 'Kernels before 5.11 charge maps to RLIMIT_MEMLOCK and refuse to make them.',
    fix: 'Raise it: `ulimit -l unlimited`, or LimitMEMLOCK=infinity of the container runtime.',
  }),
  required('addon', 'Native addon and BPF objects', [], {
    effect: 'Nothing of Sluice can run.',
    fix:
      'From a clone: `npm run build`. In an image: use the image of this architecture, ' +
      'unchanged.',
  }),
  required('btf', 'Kernel describes its types (BTF)', ['cap-bpf', 'cap-perfmon', 'addon'], {
    effect: 'Programs cannot be fitted to this kernel. ' + NO_MESH,
    fix: NEWER_KERNEL,
  }),
  required('cgroup2', 'cgroup2 is mounted and takes hooks', [], {
    effect: 'Hooks have nowhere to be attached. ' + NO_MESH,
    fix:
      'Mount it: `mount -t cgroup2 none /sys/fs/cgroup/unified` (any folder will do). In a pod:' +
      " mount the host's /sys/fs/cgroup, writable.",
  }),
  optional('kubepods', 'Pods of a kubelet are found in it', ['cgroup2'], {
    effect: 'There are no pods to enrol here, as on a machine before its kubelet has started.',
    fix: 'Start the kubelet first, or name the folder: `sluice preflight --kubepods <folder>`.',
  }),
  required('bpffs', 'bpffs is mounted and takes pins', ['cap-bpf', 'btf'], {
    effect: 'Hooks and maps would not outlive the proxy: every restart would cut connections.',
    fix: "Mount it: `mount -t bpf bpf /sys/fs/bpf`. In a pod: mount the host's /sys/fs/bpf.",
  }),
  required('netns', 'Network namespaces can be entered', ['cap-sys-admin', 'addon'], {
    effect: "Pods' network namespaces cannot be entered. " + NO_MESH,
    fix: 'Use a kernel with CONFIG_NET_NS, and a seccomp profile that allows unshare and setns.',
  }),
  optional('ipv6', 'IPv6', ['netns'], {
    effect: NO_IPV6,
    fix: 'If pods use IPv6: load the ipv6 module and set net.ipv6.conf.all.disable_ipv6=0.',
  }),
  required('hook-connect4', 'connect4 rewrites a destination', toAct, {
    effect: NO_MESH,
    fix: NEWER_KERNEL,
  }),
  optional('hook-connect6', 'connect6 rewrites a destination', [...toAct, 'ipv6'], {
    effect: NO_IPV6,
    fix: NEWER_KERNEL,
  }),
  required('hook-getpeername4', 'getpeername4 tells the app its peer', toAct, {
    effect: 'Apps would see the pod itself as their peer: wrong logs, failing source checks.',
    fix: NEWER_KERNEL,
  }),
  optional('hook-getpeername6', 'getpeername6 tells the app its peer', [...toAct, 'ipv6'], {
    effect: NO_IPV6,
    fix: NEWER_KERNEL,
  }),
  optional('hook-setsockopt', 'setsockopt refuses an option', toAct, {
    effect:
      'Accelerated sockets could ask for kernel TLS and leak clear text, so: ' + NO_ACCELERATION,
    fix: NEWER_KERNEL,
  }),
  required('hook-sockops', 'sockops sees connects before the SYN', toAct, {
    effect: NO_MESH,
    fix: NEWER_KERNEL,
  }),
  required('hook-sk-lookup', 'sk_lookup steers a SYN', toAct, {
    effect: NO_MESH,
    fix: NEWER_KERNEL,
  }),
  optional('hook-sk-msg', 'sk_msg verdict on a sockhash', toAct, {
    effect: NO_ACCELERATION,
    fix: SOCKMAP_KERNEL,
  }),
  optional(
    'sockhash',
    'sockhash takes established sockets',
    [...toAct, 'hook-sockops', 'hook-sk-msg'],
    {
      effect: NO_ACCELERATION,
      fix: SOCKMAP_KERNEL,
    },
  ),
  required('netns-cookie', 'Network namespace cookie in each hook', toAct, {
    effect: 'Programs cannot tell pods apart. ' + NO_MESH,
    fix: 'Boot kernel 6.1 or newer (bpf_get_netns_cookie came to sockops in 5.15).',
  }),
  optional('redirect', 'Bytes move from socket to socket', toMoveBytes, {
    effect: NO_ACCELERATION,
    fix: SOCKMAP_KERNEL,
  }),
  optional('accounting', 'Moved bytes are charged to the receiver', [...toMoveBytes, 'redirect'], {
    effect: "A slow reader's queue could not be bounded, so: " + NO_ACCELERATION,
    fix:
      'Use kernel 6.1.123, 6.12.8 or newer: older ones leave redirected bytes out of ' +
      'sk_rmem_alloc.',
  }),
  optional('fionread', 'FIONREAD counts what came by TCP', [...toMoveBytes], {
    effect:
      'accelerate=auto is off, as programs that ask before they read (nginx does) would stop ' +
      'reading; pods that ask for it are served without. accelerate=full is not touched.',
    fix: 'Nothing has to be done. For workloads that do not ask by FIONREAD, use accelerate=full.',
  }),
  optional('tracepoint-splice', 'Tracepoint sys_enter_splice', toAct, {
    effect:
      'In accelerate=full, a program that reads with splice(2) is not noticed and may lose ' +
      'bytes: leave it on auto.',
    fix: TRACEFS,
  }),
  optional('tracepoint-fcntl', 'Tracepoint sys_enter_fcntl', toAct, {
    effect:
      'In accelerate=auto, a program that turns a connected socket blocking by fcntl(2) stays ' +
      'accelerated and may see EAGAIN.',
    fix: TRACEFS,
  }),
  optional('tracepoint-ioctl', 'Tracepoint sys_enter_ioctl', toAct, {
    effect:
      'In accelerate=auto, a program that turns a connected socket blocking by ioctl(2) stays ' +
      'accelerated and may see EAGAIN.',
    fix: TRACEFS,
  }),
  required('programs', "Sluice's programs pass the verifier", toLoad, {
    effect: NO_MESH,
    fix: REPORT,
  }),
  optional('programs-acceleration', 'Programs of acceleration', [...toLoad, 'programs'], {
    effect: NO_ACCELERATION,
    fix: REPORT,
  }),
  optional('programs-tracepoints', 'Programs of tracepoints', [...toLoad, 'programs'], {
    effect:
      'Programs that become unfit for acceleration are not noticed: they may see EAGAIN (auto) ' +
      'or lose bytes (full, with splice(2)).',
    fix: REPORT,
  }),
  optional('programs-kubelet', "Program for the kubelet's probes", [...toLoad, 'programs'], {
    effect: "The kubelet's probes go through the proxy: while it is away, pods look unready.",
    fix: REPORT,
  }),
  required('data-path', 'Data path: a connection', [...toAct, 'programs', 'bpffs'], {
    effect: NO_MESH,
    fix: 'Report this with `sluice preflight -o json`: every part works, and the whole does not.',
  }),
  optional('data-path-ipv6', 'Data path: an IPv6 connection', [...toAct, 'data-path', 'ipv6'], {
    effect: NO_IPV6,
    fix: 'Report this with `sluice preflight -o json`.',
  }),
  optional(
    'data-path-accelerated',
    'Data path: accelerate=full',
    [...toMoveBytes, 'data-path', 'programs-acceleration'],
    {
      effect: NO_ACCELERATION,
      fix: 'Report this with `sluice preflight -o json`.',
    },
  ),
  optional('mptcp', 'Data path: an MPTCP client', [...toAct, 'data-path'], {
    effect:
      'Programs that ask for MPTCP (Go does, as a server) are not intercepted when they ' +
      'connect.',
    fix: 'Use kernel 6.1 or newer, or set net.mptcp.enabled=0.',
  }),
]

function required(
  id: CheckId,
  title: string,
  needs: readonly CheckId[],
  words: Words,
): CatalogueEntry {
  return { id, title, optional: false, needs, ...words }
}

function optional(
  id: CheckId,
  title: string,
  needs: readonly CheckId[],
  words: Words,
): CatalogueEntry {
  return { id, title, optional: true, needs, ...words }
}
