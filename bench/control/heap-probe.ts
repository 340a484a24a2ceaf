// Loaded into a node's proxy before its own code, in each of its threads: says how much of the heap
// is in use, right after a collection, whenever a file asks for it. The proxy knows nothing of it.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { threadId } from 'node:worker_threads'

const folder = process.env['SLUICE_HEAP_PROBE'] ?? ''
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const own = join(folder, `thread-${threadId}`)
const pollMs = 100

if (folder !== '') {
  setInterval(() => {
    if (!existsSync(join(folder, 'ask')) || existsSync(own)) return
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    writeFileSync(own, `${heapUsed + external}`)
  }, pollMs).unref()
}
