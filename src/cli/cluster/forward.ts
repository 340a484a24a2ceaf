import { Duplex, PassThrough, Writable } from 'node:stream'
import { type KubeConfig, PortForward } from '@kubernetes/client-node'

export interface ForwardTarget {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/** As much as is used of a WebSocket. */
interface Socket {
  addEventListener(type: 'close', listener: () => void): void
  close(): void
}

/**
 * A connection to that port through the API server and the kubelet, without a port of this
 * machine's. @throws Error when the API server refuses it
 */
export async function openForward(
  config: KubeConfig,
  { namespace, pod, port }: ForwardTarget,
): Promise<Duplex> {
  const input = new PassThrough()
  let socket: Socket | undefined
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => void input.write(chunk, done),
    destroy(error, done) {
      socket?.close()
      done(error)
    },
  })
  // It may fail before anybody uses it, who then finds it so.
  duplex.on('error', () => {})
  const output = sink((chunk) => void duplex.push(chunk))
  const errors = sink((chunk) => {
    const cause = chunk.toString().trim()
    if (cause !== '') duplex.destroy(new Error(`port ${port} of pod ${pod}: ${cause}`))
  })
  const forward = new PortForward(config, false)
  try {
    socket = (await forward.portForward(
      namespace,
      pod,
      [port],
      output,
      errors,
      input,
    )) as unknown as Socket
  } catch (error) {
    const { message = 'the API server refused it' } = error as { readonly message?: string }
    const fix = 'may you create pods/portforward there?'
    throw new Error(
      `port ${port} of pod ${namespace}/${pod} cannot be reached: ${message}: ${fix}`,
      {
        cause: error,
      },
    )
  }
  socket.addEventListener('close', () => void (duplex.destroyed || duplex.push(null)))
  return duplex
}

function sink(take: (chunk: Buffer) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      take(chunk)
      done()
    },
  })
}
