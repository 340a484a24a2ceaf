import { scriptPod } from './script-pod.ts'

/** Programs of the pods below. */
export const client = {
  /**
   * New connections one after the other, and one that is kept and made anew when it ends; counts
   * are on port 8081.
   */
  program: `
    const { connect } = require('node:net')
    const counts = { good: 0, failed: 0, resets: 0 }
    const target = { host: 'web.shop.svc.cluster.local', port: 80 }
    const again = () => setTimeout(ask, 20)
    const ask = () => {
      let error = false
      const socket = connect(target, () => socket.write('x'))
      socket.on('data', () => { counts.good++; socket.end() })
      socket.on('error', () => { error = true; counts.failed++ })
      socket.on('close', again)
    }
    const keep = () => {
      const socket = connect(target)
      const timer = setInterval(() => socket.write('x'), 100)
      socket.on('error', () => {})
      socket.on('close', () => { counts.resets++; clearInterval(timer); setTimeout(keep, 100) })
    }
    ask()
    keep()
    require('node:http').createServer((_, answer) => answer.end(JSON.stringify(counts)))
      .listen(8081, '127.0.0.1')`,
  /** Connects to that many addresses that nobody has, and says how many it tried. */
  scan: (count: number) => `
    const { connect } = require('node:net')
    let next = 0, open = 0
    const more = () => {
      while (open < 200 && next < ${count}) {
        const host = '10.250.' + (next >> 8) + '.' + (next & 255)
        next++
        open++
        const socket = connect({ host, port: 81 })
        const timer = setTimeout(() => socket.destroy(), 100)
        socket.on('connect', () => socket.destroy())
        socket.on('error', () => {})
        socket.on('close', () => { clearTimeout(timer); open--; more() })
      }
      if (open === 0) console.log(next)
    }
    more()`,
}

const server = `
  require('node:net').createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  }).listen(8080, '::')`
const idle = 'setInterval(() => {}, 1 << 30)'

/** A server and a client, and pods that are not in the mesh for one reason each. */
export function objectsOfShop(image: string, nodes: readonly string[]): readonly object[] {
  const [near = '', far = ''] = nodes
  const pod = (name: string, script: string, node: string, more: object = {}, meta: object = {}) =>
    scriptPod({ name, node, image, script, metadata: meta, spec: more })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    {
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: { name: 'sealed' },
      handler: 'kata-qemu',
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
    pod('web', server, far),
    pod('client', client.program, near),
    pod('scanner', idle, near),
    pod('host', idle, near, { hostNetwork: true }),
    pod('out', idle, near, {}, { annotations: { 'sluice.dev/enroll': 'false' } }),
    // It never starts: the nodes have no such handler.
    pod('sealed', idle, near, { runtimeClassName: 'sealed' }),
  ]
}
