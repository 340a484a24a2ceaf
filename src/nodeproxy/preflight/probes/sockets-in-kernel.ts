import { type Answer, type Ask, failed, passed } from '../ask.ts'
import { askFionread } from '../../kernel/probe-sockets.ts'
import { attachTypes } from '../attach-types.ts'
import { queuedBytes, writeListener } from '../probe-maps.ts'
import { errnoName, pattern, receiveAll, sendThrough, until } from '../sockets.ts'
import { mapOf, programOf, type Stage } from '../stage.ts'
import { addresses, ports } from './places.ts'

const PROBE_BYTES = 65_536
const pod = addresses[4].pod

/** sockops, sk_lookup and sk_msg: seen to see, steer and move bytes. */
export async function probeSocketsInKernel(ask: Ask, stage: Stage, queryFd: number): Promise<void> {
  const sockops = await ask('hook-sockops', () => probeSockops(stage))
  await ask('hook-sk-lookup', () => probeLookup(stage, sockops))
  await ask('hook-sk-msg', () => attachVerdict(stage))
  if (sockops === undefined) return
  await ask('sockhash', () => probeSockhash(stage, sockops))
  await ask('redirect', () => probeRedirect(stage, sockops))
  await ask('fionread', () => probeFionread(stage))
  await ask('accounting', () => probeAccounting(stage, sockops, queryFd))
}

async function probeSockops(stage: Stage): Promise<Answer<number>> {
  const program = programOf(stage.load('probe-sockops'), 'probe_sockops')
  using sockets = stage.sockets()
  using _link = stage.link(program, 'cgroup', attachTypes.cgroupSockOps)
  await sockets.pair(pod)
  const missing = (['sockopsConnect', 'sockopsActive', 'sockopsPassive'] as const).filter(
    (slot) => stage.seen(slot).hits === 0,
  )
  return missing.length === 0
    ? passed('connect, active and passive side seen', program)
    : failed(`not called for: ${missing.join(', ')}`)
}

async function probeLookup(stage: Stage, sockops: number | undefined): Promise<Answer<void>> {
  const { native } = stage
  const object = stage.load('probe-lookup')
  stage.configure(pod, { servicePort: ports.service, targetPort: ports.target })
  using sockets = stage.sockets()
  const listener = sockets.listen('127.0.0.1')
  writeListener(native, mapOf(object, 'probe_listener'), listener.fd)
  using _lookup = stage.link(programOf(object, 'probe_sk_lookup'), 'netns', attachTypes.skLookup)
  using _sockops =
    sockops === undefined ? undefined : stage.link(sockops, 'cgroup', attachTypes.cgroupSockOps)
  sockets.connect(pod, ports.target)
  const accepted = await sockets.accept(listener.fd)
  const local = native.socketLocal(accepted)
  if (local.address !== pod || local.port !== ports.target) {
    const said = `${local.address} port ${local.port}`
    return failed(`the accepted socket says ${said}, not ${pod} port ${ports.target}`)
  }
  if (sockops !== undefined && stage.seen('skLookupEarly').hits > 0) {
    return failed('the SYN was looked up before sockops had seen the connect')
  }
  return passed(`to ${pod}, taken by a listener on 127.0.0.1`, undefined)
}

function attachVerdict(stage: Stage): Answer<void> {
  const object = stage.load('probe-verdict')
  const sockets = mapOf(object, 'probe_sockets')
  stage.native.bpfProgAttach(programOf(object, 'probe_verdict'), sockets, attachTypes.skMsgVerdict)
  return passed('loaded and attached', undefined)
}

async function probeSockhash(stage: Stage, sockops: number): Promise<Answer<void>> {
  stage.forget('sockhash')
  using sockets = stage.sockets()
  using _link = stage.link(sockops, 'cgroup', attachTypes.cgroupSockOps)
  await sockets.pair(pod)
  const { hits, netnsCookie: error } = await until('two sockets in the sockhash', () => {
    const seen = stage.seen('sockhash')
    return seen.hits >= 2 ? seen : undefined
  })
  if (error !== 0n) return failed(`bpf_sock_hash_update gave ${errnoName(-Number(error))}`)
  return passed(`${hits} sockets entered`, undefined)
}

async function probeRedirect(stage: Stage, sockops: number): Promise<Answer<void>> {
  const { native } = stage
  using sockets = stage.sockets()
  using _link = stage.link(sockops, 'cgroup', attachTypes.cgroupSockOps)
  const { client, server } = await sockets.pair(pod)
  stage.forget('skMsg')
  await sendThrough(native, client, server, pattern(PROBE_BYTES))
  await sendThrough(native, server, client, pattern(PROBE_BYTES))
  const { hits } = stage.seen('skMsg')
  if (hits < 2) return failed('the bytes went by TCP: the verdict program did not redirect them')
  return passed(`${(PROBE_BYTES / 1024) * 2} KiB, both ways`, undefined)
}

async function probeAccounting(
  stage: Stage,
  sockops: number,
  queryFd: number,
): Promise<Answer<void>> {
  const { native } = stage
  using sockets = stage.sockets()
  using _link = stage.link(sockops, 'cgroup', attachTypes.cgroupSockOps)
  const { client, server, clientPort, serverPort } = await sockets.pair(pod)
  const accepted = native.socketSend(client, pattern(PROBE_BYTES))
  const queue = { localPort: serverPort, remotePort: clientPort }
  const full = queuedBytes(native, queryFd, queue)
  await receiveAll(native, server, accepted)
  const empty = queuedBytes(native, queryFd, queue)
  if (full === undefined || empty === undefined)
    return failed('the socket was not found by the query program')
  if (full < accepted) return failed(`${full} bytes charged while ${accepted} waited`)
  if (empty !== 0) return failed(`${empty} bytes still charged after everything was read`)
  return passed(`${full} bytes charged for ${accepted} that waited, 0 once read`, undefined)
}

/**
 * Bytes that TCP brought to sockets in a sockhash: does the ioctl that programs ask by count them?
 */
function probeFionread(stage: Stage): Answer<void> {
  const sockets = mapOf(stage.load('probe-verdict'), 'probe_sockets')
  // Entered from user space under keys that the verdict program does not look for: it lets TCP go
  // on.
  const { waiting, reported } = askFionread(stage.native, sockets, stage.netnsFd)
  return reported === waiting
    ? passed(`${reported} bytes told, as many as wait`, undefined)
    : failed(`${reported} bytes told while ${waiting} wait`)
}
