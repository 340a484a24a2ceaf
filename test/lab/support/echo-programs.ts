import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { haproxyConfig, nginxConfig } from '../../../bench/l4/proxy-configs.ts'
import type { LabPod } from '../../../src/lab/pod.ts'
import { compileC, compileGo, compileJava, script } from './programs.ts'

const START_TIMEOUT_MS = 60_000

/** A program of test/lab/programs/compat (or one that is like it), as client, server, or both. */
export interface Program {
  readonly name: string
  /** Arguments that serve on a port; files it needs go into the folder. */
  readonly serve?: (port: number, folder: string) => readonly string[]
  /** A line of output that says it listens; programs that print none are waited for otherwise. */
  readonly ready?: RegExp
  readonly run?: (address: string, port: number, bytes: number, count: number) => readonly string[]
  /**
   * It reads by splice(2): `full` takes it out, and leaves all of its container out from then on.
   */
  readonly splices?: boolean
  /** It stops reading when ioctl(FIONREAD) says that nothing waits. */
  readonly asksFionread?: boolean
  /** It turns its sockets blocking once they are connected. */
  readonly turnsBlocking?: boolean
}

/** Takes connections and makes one of its own for each. */
export interface Relay {
  readonly name: string
  readonly relay: (port: number, target: Target, folder: string) => readonly string[]
  readonly ready?: RegExp
  readonly splices?: boolean
  /** By recv(2) at first: `full` takes it for one that stays with that. */
  readonly receivesFirst?: boolean
  readonly asksFionread?: boolean
}

export interface Target {
  readonly address: string
  readonly port: number
}

const saysReady = /ready/

/** They speak the protocol of test/lab/programs/compat/README.md. */
export function echoPrograms(): readonly Program[] {
  const special = compileC('compat/special.c')
  const java = ['java', '-cp', compileJava('compat/Echo.java'), 'Echo']
  const python = (file: string) => ['python3', script(`compat/${file}`)]
  return [
    both('python threads', python('threads.py')),
    both('python asyncio', python('asyncio_echo.py')),
    both('node', [process.execPath, script('compat/echo.mjs')]),
    both('java blocking', java),
    both('java nio', java, 'nio-'),
    { ...both('turned blocking', [special, 'blocking']), turnsBlocking: true },
    both('zero-copy', [special, 'zerocopy']),
    { ...both('go', [compileGo('compat/echo.go')]), splices: true },
    { ...both('splice(2)', [special, 'splice']), splices: true },
  ]
}

export function relays(): readonly Relay[] {
  const go = compileGo('compat/echo.go')
  return [
    { name: 'socat', relay: socat },
    { name: 'nginx stream', relay: nginx, asksFionread: true },
    {
      name: 'go relay',
      relay: (port, { address, port: to }) => [go, 'relay', `${port}`, address, `${to}`],
      ready: saysReady,
      splices: true,
    },
    { name: 'haproxy with splice', relay: haproxy, splices: true, receivesFirst: true },
  ]
}

export function both(
  name: string,
  command: readonly string[],
  prefix = '',
): Program & Required<Pick<Program, 'serve' | 'run'>> {
  const argv = (verb: string, ...rest: readonly (string | number)[]) =>
    [...command, prefix + verb, ...rest].map(String)
  return {
    name,
    ready: saysReady,
    serve: (port) => argv('serve', port),
    run: (address, port, bytes, count) => argv('run', address, port, bytes, count),
  }
}

function socat(port: number, { address, port: to }: Target): readonly string[] {
  const listen = `TCP6-LISTEN:${port},ipv6only=0,fork,reuseaddr,backlog=512`
  return ['socat', listen, `TCP4:${address}:${to}`]
}

function haproxy(port: number, target: Target, folder: string): readonly string[] {
  const file = join(folder, `haproxy-${port}.cfg`)
  // Each pipe takes two more descriptors out of the limit.
  const config = haproxyConfig([forward(port, target)])
    .replace('mode tcp', 'mode tcp\n  option splice-auto')
    .replace(/maxconn \d+/, 'maxconn 1000')
  writeFileSync(file, config)
  return ['haproxy', '-db', '-f', file]
}

function nginx(port: number, target: Target, folder: string): readonly string[] {
  const home = join(folder, `nginx-${port}`)
  mkdirSync(home)
  const file = join(home, 'nginx.conf')
  const module = '/usr/lib/nginx/modules/ngx_stream_module.so'
  writeFileSync(file, nginxConfig([forward(port, target)], module, home))
  return ['nginx', '-c', file]
}

function forward(listenPort: number, { address, port }: Target) {
  return {
    listenAddress: '0.0.0.0',
    listenPort,
    targetAddress: address,
    targetPort: port,
  }
}

/** Starts a server and resolves when it takes connections; it ends with its pod. */
export async function startServer(
  pod: LabPod,
  program: Pick<Program, 'name' | 'ready' | 'serve'>,
  port: number,
): Promise<void> {
  if (program.serve === undefined) throw new Error(`${program.name} is no server`)
  const started = pod.spawn(program.serve(port, pod.node.run))
  if (program.ready !== undefined) await started.waitForLine(program.ready, START_TIMEOUT_MS)
  else await waitListening(pod, port)
}

/** The same for a relay to `target`. */
export async function startRelay(
  pod: LabPod,
  { name, ready, relay }: Relay,
  port: number,
  target: Target,
): Promise<void> {
  const serve = (own: number, folder: string) => relay(own, target, folder)
  await startServer(pod, { name, serve, ...(ready === undefined ? {} : { ready }) }, port)
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
