/** One attachable program, by the object file that holds it. */
export interface Hook {
  readonly program: string
  readonly object: string
  readonly attachType: number
}

// enum bpf_attach_type of <linux/bpf.h>
const attachTypes = {
  cgroupSockOps: 3,
  skMsgVerdict: 7,
  cgroupInet4Connect: 10,
  cgroupInet6Connect: 11,
  cgroupSetsockopt: 22,
  cgroupInet4Getpeername: 29,
  cgroupInet6Getpeername: 30,
  skLookup: 36,
} as const

/**
 * In the order of going live: the connect hooks last, because what they rewrite depends on all the
 * others. Taken away in reverse.
 */
export const podHooks: readonly Hook[] = [
  { program: 'setsockopt', object: 'sockopt', attachType: attachTypes.cgroupSetsockopt },
  { program: 'getpeername4', object: 'peername', attachType: attachTypes.cgroupInet4Getpeername },
  { program: 'getpeername6', object: 'peername', attachType: attachTypes.cgroupInet6Getpeername },
  { program: 'socket_life', object: 'sockops', attachType: attachTypes.cgroupSockOps },
  { program: 'connect4', object: 'connect', attachType: attachTypes.cgroupInet4Connect },
  { program: 'connect6', object: 'connect', attachType: attachTypes.cgroupInet6Connect },
]

export const kubeletHook: Hook = {
  program: 'kubelet_life',
  object: 'kubelet',
  attachType: attachTypes.cgroupSockOps,
}

/** One link per enrolled pod, on its netns. */
export const lookupHook: Hook = {
  program: 'lookup',
  object: 'lookup',
  attachType: attachTypes.skLookup,
}

/** Attached to the sockhash `sockets`; the verdict itself is reached through verdicts[0]. */
export const verdictHook: Hook = {
  program: 'verdict_entry',
  object: 'verdict',
  attachType: attachTypes.skMsgVerdict,
}
export const verdictProgram = 'verdict'

/** What a start finds out with how this kernel counts, on a sockhash of its own. */
export const redirectObject = 'redirect'
export const redirectProgram = 'redirect_to_zero'

export const traceHooks = [
  { program: 'enter_fcntl', object: 'trace', tracepoint: 'sys_enter_fcntl' },
  { program: 'enter_ioctl', object: 'trace', tracepoint: 'sys_enter_ioctl' },
  { program: 'enter_splice', object: 'trace', tracepoint: 'sys_enter_splice' },
] as const

/** SEC("syscall"): called from user space, attached to nothing. */
export const calledPrograms = [
  'query_queue',
  'refresh_usage',
  'forget_address',
  'count_entries',
] as const

/** Objects without which nothing works, and those whose rejection costs one feature. */
export const requiredObjects = ['lookup', 'peername', 'sockops', 'connect', 'query'] as const
export const optionalObjects = ['kubelet', 'sockopt', 'verdict', 'trace'] as const
