import { readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { sandboxName } from '../../model/sandbox.ts'

/** A shim is the parent of its pod's processes, or not far above. */
const mostAncestors = 16

/**
 * The shim of a pod whose runtime gives it a kernel of its own, by the processes above one of the
 * pod's; undefined: nothing says so. Only processes in the node's own PID namespace are asked: what
 * a workload calls its own processes must not take it out of the mesh.
 */
export function sandboxShim(procDir: string, pid: number): string | undefined {
  const node = pidNamespace(procDir, 1)
  let ancestor = parentOf(procDir, pid)
  for (let step = 0; step < mostAncestors && ancestor > 1; step += 1) {
    const name = nameOf(procDir, ancestor)
    const isNodes = pidNamespace(procDir, ancestor) === node
    if (isNodes && name.startsWith('containerd-shim-')) {
      return sandboxName(name) === undefined ? undefined : name
    }
    ancestor = parentOf(procDir, ancestor)
  }
  return undefined
}

/** By its command line: the kernel's own name of a process has 15 characters. */
function nameOf(procDir: string, pid: number): string {
  const [program = ''] = textOf(procDir, pid, 'cmdline').split('\0')
  return basename(program)
}

/** Field 4 of /proc/PID/stat, behind a name that may contain anything; 0: it is gone. */
function parentOf(procDir: string, pid: number): number {
  const stat = textOf(procDir, pid, 'stat')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0)
}

function textOf(procDir: string, pid: number, file: string): string {
  try {
    return readFileSync(join(procDir, String(pid), file), 'utf8')
  } catch {
    return ''
  }
}

function pidNamespace(procDir: string, pid: number): string {
  try {
    return readlinkSync(join(procDir, String(pid), 'ns/pid'))
  } catch {
    return ''
  }
}
