import { rmdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { removeCgroup } from './cgroup.ts'
import { labPaths, labsOnMachine, netnsNamesOf } from './names.ts'
import { deleteNetns } from './net/ip.ts'
import { waitFor } from './process/wait.ts'

/**
 * Ends everything that carries the lab's name and removes it: processes, cgroups, namespaces (their
 * links, addresses and rules go with them), BPF pins and state. Works on what it finds, not on what
 * somebody remembers, so it also cleans after an owner that was killed half-way.
 * @throws Error when something still stands after ten seconds
 */
export async function cleanLab(lab: string): Promise<void> {
  const paths = labPaths(lab)
  await waitFor(`lab ${lab} to be gone`, async () => {
    await removeCgroup(paths.cgroup)
    await deleteNetns(netnsNamesOf(lab))
    rmSync(paths.bpffs, { recursive: true, force: true })
    // Its folder is its claim on the name, so that goes last.
    rmSync(paths.run, { recursive: true, force: true })
    removeIfEmpty(dirname(paths.run))
    return !labsOnMachine().includes(lab)
  })
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Other labs are there, or one of them just did the same.
  }
}
