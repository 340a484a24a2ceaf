import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { haproxyConfig, nginxConfig } from '../../../bench/l4/proxy-configs.ts'
import type { LabPod } from '../../../src/lab/pod.ts'
import { compileC, compileGo, compileJava, script } from './programs.ts'

/**
 * A program of test/lab/programs/compat (or one that is like it), as client, as server, or both.
 */
export interface EchoProgram {
  readonly name: string
  /** Arguments that serve the echo protocol on a port; files it needs go into the folder. */
  readonly serve?: (port: number, folder: string) => readonly string[]
  /** A line of output that says it listens; programs that print none are waited for otherwise. */
  readonly saysReady: boolean
  readonly run?: (address: string, port: number, bytes: number, count: number) => readonly string[]
}

/** Behind the relays; one on every server pod. */
export const BACKEND_PORT = 7300

export function echoPrograms(): readonly EchoProgram[] {
  const special = compileC('compat/special.c')
  const go = compileGo('compat/echo.go')
  const java = ['java', '-cp', compileJava('compat/Echo.java'), 'Echo']
  const python = (file: string) => ['python3', script(`compat/${file}`)]
  return [
    both('python threads', python('threads.py')),
    both('python asyncio', python('asyncio_echo.py')),
    both('node', [process.execPath, script('compat/echo.mjs')]),
    both('go', [go]),
    both('java blocking', java),
    both('java nio', java, 'nio-'),
    both('splice(2)', [special, 'splice']),
    both('turned blocking', [special, 'blocking']),
    both('zero-copy', [special, 'zerocopy']),
    relay('go relay', (port) => [go, 'relay', `${port}`, '127.0.0.1', `${BACKEND_PORT}`], true),
    relay('socat', (port) => [
      'socat',
      `TCP6-LISTEN:${port},ipv6only=0,fork,reuseaddr,backlog=512`,
      `TCP4:127.0.0.1:${BACKEND_PORT}`,
    ]),
    relay('haproxy with splice', haproxy),
    relay('nginx stream', nginx),
  ]
}

function both(name: string, command: readonly string[], prefix = ''): EchoProgram {
  const argv = (verb: string, ...rest: readonly (string | number)[]) =>
    [...command, prefix + verb, ...rest].map(String)
  return {
    name,
    saysReady: true,
    serve: (port) => argv('serve', port),
    run: (address, port, bytes, count) => argv('run', address, port, bytes, count),
  }
}

function relay(
  name: string,
  serve: (port: number, folder: string) => readonly string[],
  saysReady = false,
): EchoProgram {
  return { name, serve, saysReady }
}

function haproxy(port: number, folder: string): readonly string[] {
  const file = join(folder, `haproxy-${port}.cfg`)
  // Each pipe takes two more descriptors out of the limit.
  const config = haproxyConfig([toBackend(port)])
    .replace('mode tcp', 'mode tcp\n  option splice-auto')
    .replace(/maxconn \d+/, 'maxconn 1000')
  writeFileSync(file, config)
  return ['haproxy', '-db', '-f', file]
}

function nginx(port: number, folder: string): readonly string[] {
  const file = join(folder, `nginx-${port}.conf`)
  const module = '/usr/lib/nginx/modules/ngx_stream_module.so'
  writeFileSync(file, nginxConfig([toBackend(port)], module, folder))
  return ['nginx', '-c', file]
}

function toBackend(listenPort: number) {
  return {
    listenAddress: '0.0.0.0',
    listenPort,
    targetAddress: '127.0.0.1',
    targetPort: BACKEND_PORT,
  }
}

/** Starts a server and resolves when it takes connections; it ends with its pod. */
export async function startEcho(pod: LabPod, program: EchoProgram, port: number): Promise<void> {
  if (program.serve === undefined) throw new Error(`${program.name} is no server`)
  const started = pod.spawn(program.serve(port, pod.node.run))
  if (program.saysReady) await started.waitForLine(/ready/, 20_000)
  else await waitListening(pod, port)
}

async function waitListening(pod: LabPod, port: number): Promise<void> {
  const probe = `import socket,time
for _ in range(2000):
  try:
    socket.create_connection(("127.0.0.1",${port})).close(); break
  except OSError: time.sleep(0.01)
else: raise SystemExit("nothing listens on ${port}")`
  await pod.exec(['python3', '-c', probe])
}
