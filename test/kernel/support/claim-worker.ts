// A process that claims a generation at each moment that it is told, and gives it back when asked.
// With maps by their pins alone: claim-worker.ts NODE_DIRECTORY LAYOUT
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Claim, claimGeneration } from '../../../src/nodeproxy/kernel/generations.ts'
import { type MapFds, mapNames } from '../../../src/nodeproxy/kernel/maps.ts'
import { pinPaths } from '../../../src/nodeproxy/kernel/pins.ts'
import { loadNative } from '../../../src/nodeproxy/native.ts'

const native = loadNative()
const [directory = '', layout = ''] = process.argv.slice(2)
const { maps: folder } = pinPaths(join(directory, layout))
const maps = Object.fromEntries(
  mapNames.map((name) => [
    name,
    native.bpfGetPinned(name === 'active_layout' ? join(directory, name) : join(folder, name)),
  ]),
) as MapFds
let claim: Claim | undefined
process.stdout.write('ready\n')
for await (const line of createInterface(process.stdin)) {
  if (line === 'release') {
    claim?.release()
    process.stdout.write('released\n')
    continue
  }
  // At the same moment as the other one: pipes alone keep them too far apart.
  while (native.clockMonotonicNs() < BigInt(line));
  claim = claimGeneration(native, { directory, maps }, BigInt(process.pid))
  process.stdout.write(`${claim.generation}\n`)
}
