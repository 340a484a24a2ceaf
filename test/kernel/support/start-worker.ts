// A first start of a node at a given moment: says how it started, and which map of origins it has.
//   start-worker.ts OPTIONS
import { createInterface } from 'node:readline'
import type { KernelOptions } from '../../../src/nodeproxy/kernel/kernel.ts'
import { openKernel } from '../../../src/nodeproxy/kernel/open.ts'
import { loadNative } from '../../../src/nodeproxy/native.ts'

const native = loadNative()
const options = JSON.parse(process.argv[2] ?? '') as Omit<KernelOptions, 'native'>
process.stdout.write('ready\n')
for await (const moment of createInterface(process.stdin)) {
  while (native.clockMonotonicNs() < BigInt(moment));
  const kernel = openKernel({ ...options, native })
  const { id } = native.bpfMapInfo(kernel.fds.originsMapFd)
  process.stdout.write(`${kernel.report.start} ${id}\n`)
}
