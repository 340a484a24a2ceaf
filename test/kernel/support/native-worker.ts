// Uses all of the addon that runs beside JavaScript, and is ended while it does.
import { parentPort, workerData } from 'node:worker_threads'
import { loadNative } from '../../../src/nodeproxy/native.ts'

const { fixture, generationsFd } = workerData as { fixture: string; generationsFd: number }
const native = loadNative()
const object = native.bpfLoad(fixture, { skip: ['out_of_bounds'] })
native.heartbeatStart(generationsFd, 3, 1)
native.bpfRingConsumer(object.maps['ring'] ?? -1, () => {
  native.bpfProgRun(object.programs['add_one'] ?? -1, new Uint8Array(16))
})
native.bpfProgRun(object.programs['add_one'] ?? -1, new Uint8Array(16))
const netns = native.netnsCreate([])

async function listenForever(): Promise<void> {
  for (;;) native.closeFd(await native.netnsListen(netns, 4, 1))
}
void listenForever()
void native.netnsListen(netns, 4, 1).then(() => parentPort?.postMessage('ready'))
