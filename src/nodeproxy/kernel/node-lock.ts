import { closeSync, constants, fstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import type { Native } from '../native.ts'

/** Loading takes a second, on the slowest machines half a minute. */
const patienceMs = 60_000
const retryMs = 5

/**
 * Runs `work` while no other process of this machine is between reading and changing what is pinned
 * in the node's directory, which is made if it is not there. The kernel gives the lock back when a
 * process dies.
 *
 * @throws Error when another process has held it for a minute: it has been stopped, probably
 */
export function withNodeLock<T>(native: Native, directory: string, work: () => T): T {
  const fd = lockDirectory(native, directory)
  try {
    return work()
  } finally {
    closeSync(fd)
  }
}

function lockDirectory(native: Native, directory: string): number {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  const deadline = performance.now() + patienceMs
  for (;;) {
    mkdirSync(directory, { recursive: true })
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    // An uninstall may have removed the directory meanwhile: then this is the lock of nothing.
    if (native.tryLock(fd) && isStill(directory, fd)) return fd
    closeSync(fd)
    if (performance.now() > deadline) {
      throw new Error(
        `cannot lock ${directory}: another proxy of this node has held it for ` +
          `${patienceMs / 1000} s; end it, if it hangs`,
      )
    }
    Atomics.wait(clock, 0, 0, retryMs)
  }
}

function isStill(directory: string, fd: number): boolean {
  return statSync(directory, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino
}
