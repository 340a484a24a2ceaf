import { mkdirSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { BPFFS } from './names.ts'
import { runCommand } from './process/command.ts'
import { waitFor } from './process/wait.ts'

/** BPF_FS_MAGIC of linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11

/**
 * Mounts bpffs where it is not, and makes the folders in it. The mount stays when the lab goes:
 * systemd would have made it at boot, and others may have pinned something since.
 */
export async function prepareBpffs(folders: readonly string[]): Promise<void> {
  if (!isBpffs()) {
    await exclusively('sluice-lab-bpffs', async () => {
      // Each mount is a file system of its own: a second one would hide the first one's pins.
      if (!isBpffs()) await runCommand(['mount', '-t', 'bpf', 'bpf', BPFFS, '-o', 'mode=700'])
    })
  }
  for (const folder of folders) mkdirSync(folder, { recursive: true })
}

function isBpffs(): boolean {
  return statfsSync(BPFFS).type === BPF_FS_MAGIC
}

/**
 * One process of the machine at a time; the name is an abstract socket's, which ends with its
 * owner.
 */
async function exclusively(name: string, act: () => Promise<void>): Promise<void> {
  const server = await waitFor(`the lock ${name}`, () => listenOn(`\0${name}`))
  try {
    await act()
  } finally {
    server.close()
  }
}

async function listenOn(path: string) {
  const server = createServer()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(path, resolve)
  await promise
  return server
}
