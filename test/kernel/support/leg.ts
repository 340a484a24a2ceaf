import { legFlags, legLayout } from '../../../src/nodeproxy/kernel/abi.ts'
import { encode, u32Bytes } from '../../../src/nodeproxy/kernel/layout.ts'
import type { PodEnrolment } from '../../../src/nodeproxy/kernel/kernel.ts'
import type { Rig } from './rig.ts'
import type { Connected, Sockets } from './sockets.ts'

export interface LegOptions {
  /** Where the proxy's socket is opened. */
  readonly netnsFd: number
  readonly source: string
  readonly to: { readonly address: string; readonly port: number }
  /** Whom the app shall see. */
  readonly client: { readonly address: string; readonly port: number }
  readonly bypass?: boolean
  readonly accelerate?: PodEnrolment['accelerate']
}

/** A leg of the proxy towards an app, as the reactor opens one: bound, announced, connected. */
export function openLeg(rig: Rig, sockets: Sockets, leg: LegOptions): Connected {
  const { native, kernel } = rig
  const acceleration = { off: 0, auto: legFlags.accelAuto, full: legFlags.accelFull }
  const intent = encode(legLayout, {
    client: leg.client.address,
    clientPort: leg.client.port,
    flags: (leg.bypass === false ? 0 : legFlags.bypass) | acceleration[leg.accelerate ?? 'off'],
    generation: rig.generation,
  })
  return rig.asProxy(() =>
    sockets.connect(leg.netnsFd, leg.to.address, leg.to.port, {
      before: (fd) => {
        const bound = native.socketBind(fd, leg.source, 0)
        const written = native.bpfMapUpdate(kernel.fds.legIntentsMapFd, u32Bytes(fd), intent, 0)
        if (bound < 0 || written < 0) throw new Error(`leg not prepared: ${bound}, ${written}`)
      },
    }),
  )
}
