// A data-plane worker in small: one reactor on a listener that others share. Says when it is ready,
// and how many connections it took when it is asked.
import { parentPort, workerData } from 'node:worker_threads'
import { loadNative } from '../../../src/nodeproxy/native.ts'
import { openProxy } from './reactor-proxy.ts'

const { fd, targetPort } = workerData as { fd: number; targetPort: number }
const proxy = openProxy(loadNative(), { targetPort })
proxy.listen(fd)
parentPort?.on('message', (question: 'accepted' | 'close') => {
  if (question === 'accepted') {
    parentPort?.postMessage(proxy.reactor.stats().accepted)
    return
  }
  proxy.reactor.close()
  parentPort?.close()
})
parentPort?.postMessage('ready')
