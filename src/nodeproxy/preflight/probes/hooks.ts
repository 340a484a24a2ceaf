import { type Answer, type Ask, failed, passed } from '../ask.ts'
import { attachTypes } from '../attach-types.ts'
import { programOf, type Stage } from '../stage.ts'
import { errnoName } from '../sockets.ts'
import { addresses, ports } from './places.ts'

const LEVEL_TCP = 6
const TCP_NODELAY = 1
const TCP_ULP = 31
/** What bpf/probe/probe-setsockopt.bpf.c gives, and no kernel does. */
const EREMOTEIO = 121

type Family = 4 | 6

/**
 * Each hook at connect(2) and after it, alone: loaded, attached, and seen to act on real sockets.
 */
export async function probeHooks(ask: Ask, stage: Stage): Promise<void> {
  await ask('hook-connect4', () => probeConnect(stage, 4))
  await ask('hook-connect6', () => probeConnect(stage, 6))
  await ask('hook-getpeername4', () => probeGetpeername(stage, 4))
  await ask('hook-getpeername6', () => probeGetpeername(stage, 6))
  await ask('hook-setsockopt', () => probeSetsockopt(stage))
}

async function probeConnect(stage: Stage, family: Family): Promise<Answer<void>> {
  const { pod, service } = addresses[family]
  const attachType = family === 4 ? attachTypes.cgroupInet4Connect : attachTypes.cgroupInet6Connect
  const program = programOf(
    stage.load('probe-connect', [`probe_connect${family === 4 ? 6 : 4}`]),
    `probe_connect${family}`,
  )
  using sockets = stage.sockets()
  using _link = stage.link(program, 'cgroup', attachType)
  const listener = sockets.listen(pod)
  stage.configure(pod, { servicePort: ports.service, targetPort: listener.port })
  // The namespace has no route to the service's address: only a rewritten connect can arrive.
  sockets.connect(service, ports.service)
  await sockets.accept(listener.fd)
  return stage.seen(`connect${family}`).hits > 0
    ? passed(`to ${service}, arrived at ${pod}`, undefined)
    : failed('the connection arrived although the program was not called')
}

async function probeGetpeername(stage: Stage, family: Family): Promise<Answer<void>> {
  const { pod, service } = addresses[family]
  const attachType =
    family === 4 ? attachTypes.cgroupInet4Getpeername : attachTypes.cgroupInet6Getpeername
  const program = programOf(
    stage.load('probe-peername', [`probe_getpeername${family === 4 ? 6 : 4}`]),
    `probe_getpeername${family}`,
  )
  stage.configure(service, { servicePort: ports.service, targetPort: ports.target })
  using sockets = stage.sockets()
  const { client } = await sockets.pair(pod)
  using _link = stage.link(program, 'cgroup', attachType)
  const told = stage.native.socketPeer(client)
  return told.address === service && told.port === ports.service
    ? passed(`connected to ${pod}, told ${service}`, undefined)
    : failed(`getpeername gave ${told.address} port ${told.port}, not what the program wrote`)
}

async function probeSetsockopt(stage: Stage): Promise<Answer<void>> {
  const { native } = stage
  const program = programOf(stage.load('probe-setsockopt'), 'probe_setsockopt')
  using sockets = stage.sockets()
  const { client } = await sockets.pair(addresses[4].pod)
  using _link = stage.link(program, 'cgroup', attachTypes.cgroupSetsockopt)
  const refused = native.socketSetOption(client, LEVEL_TCP, TCP_ULP, Buffer.from('tls'))
  const other = native.socketSetOption(client, LEVEL_TCP, TCP_NODELAY, new Uint8Array([1, 0, 0, 0]))
  if (refused !== -EREMOTEIO) {
    const said = refused < 0 ? errnoName(refused) : 'success'
    return failed(`TCP_ULP gave ${said}, not the errno that the program chose`)
  }
  if (other !== 0) return failed(`TCP_NODELAY gave ${errnoName(other)} while the hook was attached`)
  return passed('TCP_ULP refused, TCP_NODELAY untouched', undefined)
}
