import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, createWriteStream } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export type Accelerator = 'tcg' | 'kvm'

export interface Guest {
  readonly vmlinuz: string
  readonly initramfs: string
  readonly accelerator: Accelerator
  readonly memoryMib: number
  readonly cpus: number
  /** Added to the kernel's command line. */
  readonly append: string
  /** Everything that the guest's console says goes there. */
  readonly consoleFile: string
  /** Folder for the socket of the second serial line. */
  readonly workFolder: string
}

/**
 * Boots a guest and waits for its end, however it comes.
 * @param onLine hears each line of the second serial line
 * @param signal ends the guest at once
 * @returns undefined when the machine ended by itself, else what happened
 */
export async function runGuest(
  guest: Guest,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = join(guest.workFolder, 'results.sock')
  const { server, ended } = await listenForLines(socket, onLine)
  try {
    const child = spawn('qemu-system-x86_64', argumentsOf(guest, socket), {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const console = createWriteStream(guest.consoleFile)
    child.stdout.pipe(console, { end: false })
    child.stderr.pipe(console, { end: false })
    const stop = (): boolean => child.kill('SIGKILL')
    signal.addEventListener('abort', stop, { once: true })
    const end = await endOf(child)
    signal.removeEventListener('abort', stop)
    console.end()
    await ended()
    return signal.aborted ? String(signal.reason) : end
  } finally {
    server.close()
  }
}

function argumentsOf(guest: Guest, socket: string): readonly string[] {
  // Emulated, the guards against a CPU that speculates cost a third of the time, and guard nothing.
  const fixed = 'console=ttyS0 panic=-1 reboot=t quiet loglevel=4 log_buf_len=8M mitigations=off'
  const options = [
    // microvm hangs on some of these kernels.
    ['-M', 'pc'],
    ['-accel', guest.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ['-cpu', guest.accelerator === 'kvm' ? 'host' : 'max'],
    ['-m', String(guest.memoryMib)],
    ['-smp', String(guest.cpus)],
    ['-nodefaults', '-display', 'none', '-no-reboot'],
    ['-serial', 'stdio'],
    ['-chardev', `socket,id=results,path=${socket}`, '-serial', 'chardev:results'],
    ['-kernel', guest.vmlinuz, '-initrd', guest.initramfs],
    ['-append', `${fixed} ${guest.append}`.trim()],
  ]
  return options.flat()
}

async function listenForLines(
  socket: string,
  onLine: (line: string) => void,
): Promise<{ server: Server; ended: () => Promise<void> }> {
  const closed: Promise<void>[] = []
  const server = createServer((connection) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    closed.push(promise)
    createInterface({ input: connection }).on('line', onLine).on('close', resolve)
    // qemu that is killed resets it; what came before is read.
    connection.on('error', () => resolve())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  return { server, ended: async () => void (await Promise.all(closed)) }
}

function endOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`qemu-system-x86_64 cannot be run: ${error.message}`))
    child.on('exit', (status, signal) => {
      resolve(
        status === 0 ? undefined : `qemu-system-x86_64 ended with ${signal ?? `status ${status}`}`,
      )
    })
  })
}

/**
 * Whether /dev/kvm can be opened. That it can run these kernels is only known once one has booted.
 */
export function kvmIsOffered(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
