import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { routerAddresses } from '../../src/lab/net/addresses.ts'
import { foldersOf, makeEverywhere } from './cgroups.ts'
import { logFile, netnsOf, type Place, serviceCgroup, startDetached } from './place.ts'

/** Makes the API server reachable on this machine's loopback. @returns its port there */
export async function startRelay(control: Place, bin: string): Promise<number> {
  const port = await freePort()
  const cgroup = serviceCgroup(control, 'relay')
  makeEverywhere(cgroup, control.hierarchies)
  const target = `${routerAddresses(true).v4}:6443`
  startDetached({
    cgroups: foldersOf(cgroup, control.hierarchies),
    argv: [join(bin, 'relay'), `127.0.0.1:${port}`, netnsOf(control), target],
    log: logFile(control, 'relay'),
  })
  return port
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
