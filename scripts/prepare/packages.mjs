import { execFileSync, spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupError, say } from './say.mjs'

/**
 * The Debian packages of each kind of work, with the reason for each. A list of names means: the
 * first that this release offers. `unless` names a command that makes the package unnecessary,
 * because people install such things in other ways; `services` are units that the package would
 * start at boot.
 * @typedef {{ name: string | string[], why: string, unless?: string, services?: string[] }} Package
 * @type {Record<string, Package[]>}
 */
export const packageGroups = {
  build: [
    { name: 'g++', why: 'compiles the native addon and the keeper' },
    { name: 'make', why: 'node-gyp builds with it' },
    { name: 'python3', why: 'node-gyp is written in it; programs under test too' },
    { name: 'clang-19', why: 'compiles the BPF programs' },
    { name: 'llvm-19', why: 'llvm-strip drops DWARF from BPF objects and keeps BTF' },
    { name: 'libbpf-dev', why: 'loads BPF objects; headers of BPF helpers' },
    { name: 'libelf-dev', why: 'libbpf reads ELF with it' },
    { name: 'zlib1g-dev', why: 'libbpf reads compressed sections with it' },
    { name: 'libc6-dev', why: 'C headers' },
    { name: 'linux-libc-dev', why: 'kernel headers for user space' },
  ],
  lab: [
    { name: 'iproute2', why: 'network namespaces, veth pairs, routes and delay of the lab' },
    { name: 'nftables', why: "the lab's stand-in for kube-proxy" },
    {
      name: 'curl',
      why: "asks the node proxies' ports from inside their namespaces; a real client",
    },
    { name: 'conntrack', why: 'counts conntrack entries before and after' },
    { name: 'bpftool', why: 'shows programs, maps and BTF' },
    { name: 'procps', why: 'process facts' },
    { name: 'ca-certificates', why: 'downloads of packages and kernels' },
  ],
  servers: [
    { name: 'nginx', why: 'a real server, and the peer of the benchmarks', services: ['nginx'] },
    { name: 'libnginx-mod-stream', why: 'nginx as a TCP proxy, the peer of the benchmarks' },
    { name: 'haproxy', why: 'a real proxy, and the peer of the benchmarks', services: ['haproxy'] },
    { name: 'socat', why: 'a real client and relay' },
    { name: 'redis-server', why: 'a real server', services: ['redis-server'] },
    { name: 'iperf3', why: 'a real client and server that streams', services: ['iperf3'] },
  ],
  test: [
    { name: 'postgresql', why: 'a server-first protocol', services: ['postgresql'] },
    { name: 'golang-go', why: 'Go programs in the compatibility matrix', unless: 'go' },
    {
      name: ['default-jdk-headless', 'openjdk-21-jdk-headless', 'openjdk-17-jdk-headless'],
      why: 'Java programs in the compatibility matrix',
      unless: 'javac',
    },
    { name: 'libssl-dev', why: 'a program with kernel TLS in the compatibility matrix' },
    { name: 'qemu-system-x86', why: 'boots other kernels' },
    { name: 'busybox-static', why: 'user space of the guests with other kernels' },
    { name: 'debian-archive-keyring', why: 'checks the kernels that the guests boot' },
    { name: 'cpio', why: 'packs the initial file system of those guests' },
    { name: 'xz-utils', why: 'unpacks kernel packages' },
    { name: 'zstd', why: 'unpacks kernel packages' },
  ],
  cluster: [
    {
      name: 'golang-go',
      why: "fetches and starts the Go that builds Kubernetes' parts",
      unless: 'go',
    },
    { name: 'runc', why: 'runs the containers of the cluster' },
    { name: 'containernetworking-plugins', why: 'connects the pods of the cluster' },
    { name: 'openssl', why: "makes the cluster's certificates" },
  ],
  bench: [{ name: 'wrk', why: 'HTTP load' }],
}

/**
 * Installs what is missing of the groups, without starting any service.
 * @param {readonly string[]} groups
 */
export function preparePackages(groups) {
  if (!existsSync('/usr/bin/dpkg-query')) {
    throw new SetupError('this is not Debian or a relative of it (no dpkg): use Debian 12 or 13')
  }
  const wanted = groups.flatMap((group) => packageGroups[group] ?? [])
  const installed = installedOf(wanted.flatMap((item) => item.name))
  const missing = wanted.filter(
    (item) =>
      ![item.name].flat().some((name) => installed.has(name)) &&
      !(item.unless !== undefined && commandExists(item.unless)),
  )
  if (missing.length === 0) return
  if (process.getuid?.() !== 0) {
    const names = missing.map((item) => [item.name].flat()[0]).join(' ')
    throw new SetupError(`Debian packages are missing: ${names}; run \`sudo scripts/setup\` once`)
  }
  install(missing)
}

/** @param {readonly string[]} names */
function installedOf(names) {
  const query = ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...names]
  // Exits with 1 when one of them is unknown, and still prints the others.
  const { stdout } = spawnSync('dpkg-query', query, { encoding: 'utf8' })
  const lines = stdout.split('\n').map((line) => line.split(' '))
  return new Set(lines.filter(([, status]) => status === 'installed').map(([name]) => name))
}

/** @param {string} command */
function commandExists(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @param {readonly Package[]} missing */
function install(missing) {
  let offered = candidatesOf(missing)
  if (offered.some(({ candidate }) => candidate === undefined)) {
    say('reading the package lists (apt-get update)')
    apt(['update', '-q'])
    offered = candidatesOf(missing)
  }
  const absent = offered.find(({ candidate }) => candidate === undefined)
  if (absent !== undefined) {
    const names = [absent.item.name].flat().join(' or ')
    const fix = 'use Debian 12 or 13 with its main archive'
    throw new SetupError(`no apt source offers ${names} (${absent.item.why}): ${fix}`)
  }
  for (const { item, candidate } of offered) say(`installing ${candidate}: ${item.why}`)
  const names = offered.map(({ candidate }) => /** @type {string} */ (candidate))
  withoutServices(() => apt(['install', '-q', '-y', '--no-install-recommends', ...names]))
  disableServices(missing.flatMap((item) => item.services ?? []))
}

/** @param {readonly Package[]} items */
function candidatesOf(items) {
  const policy = execFileSync('apt-cache', ['policy', ...items.flatMap((item) => item.name)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  const available = new Set()
  let name = ''
  for (const line of policy.split('\n')) {
    if (/^\S+:$/.test(line)) name = line.slice(0, -1)
    if (/^ {2}Candidate: (?!\(none\))/.test(line)) available.add(name)
  }
  return items.map((item) => ({
    item,
    candidate: [item.name].flat().find((one) => available.has(one)),
  }))
}

/** @param {readonly string[]} args */
function apt(args) {
  const { status } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  })
  if (status === 0) return
  const said = `apt-get ${args.join(' ')} failed with status ${status}`
  throw new SetupError(`${said}: see its message above; is the package mirror reachable?`)
}

const policyFile = '/usr/sbin/policy-rc.d'
const policyMark = '# written by sluice setup'

/**
 * Debian asks policy-rc.d before it starts a service of a package; 101 means: no. A file that
 * someone else put there is set aside and put back. One of ours that a killed run left behind goes
 * too.
 * @param {() => void} body
 */
function withoutServices(body) {
  const aside = `${policyFile}.sluice-aside`
  if (existsSync(policyFile) && !readFileSync(policyFile, 'utf8').includes(policyMark)) {
    renameSync(policyFile, aside)
  }
  writeFileSync(policyFile, `#!/bin/sh\n${policyMark}\nexit 101\n`, { mode: 0o755 })
  try {
    body()
  } finally {
    rmSync(policyFile, { force: true })
    if (existsSync(aside)) renameSync(aside, policyFile)
  }
}

/**
 * They would start at the next boot and take ports: nobody asked for that.
 * @param {readonly string[]} services
 */
function disableServices(services) {
  if (services.length === 0 || !commandExists('systemctl')) return
  say(`keeping ${services.join(', ')} from starting at boot (systemctl disable)`)
  spawnSync('systemctl', ['--quiet', 'disable', ...services], { stdio: 'ignore' })
}
