import { type Answer, type Ask, failed, passed } from '../ask.ts'
import { programOf, type Stage } from '../stage.ts'
import { addresses, ports } from './places.ts'

const ENOENT = 2

const calls = ['splice', 'fcntl', 'ioctl'] as const
type Call = (typeof calls)[number]

/** Does this kernel show us the syscalls by which a program becomes unfit for acceleration? */
export async function probeTracepoints(ask: Ask, stage: Stage): Promise<void> {
  for (const call of calls) await ask(`tracepoint-${call}`, () => probeTracepoint(stage, call))
}

async function probeTracepoint(stage: Stage, call: Call): Promise<Answer<void>> {
  const { native } = stage
  const others = calls.filter((other) => other !== call).map((other) => `probe_${other}`)
  const program = programOf(stage.load('probe-tracepoint', others), `probe_${call}`)
  const link = native.bpfAttachTracepoint(program, 'syscalls', `sys_enter_${call}`)
  if (link === -ENOENT) return failed('this kernel does not have it')
  using _link = { [Symbol.dispose]: () => native.closeFd(link) }
  stage.configure(addresses[4].pod, { servicePort: ports.service, targetPort: ports.target })
  using sockets = stage.sockets()
  const { client, server } = await sockets.pair(addresses[4].pod)
  // Between two sockets splice(2) is refused; it is seen all the same.
  if (call === 'splice') native.socketSplice(client, server, 1)
  else native.socketSetBlocking(client, true, call)
  return stage.seen(call).hits > 0
    ? passed('seen', undefined)
    : failed('attached, but a call was not seen')
}
