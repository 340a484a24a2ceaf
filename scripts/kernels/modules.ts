import { execFileSync } from 'node:child_process'
import { copyFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** What tests may need that Debian's cloud kernels build as modules. */
const wanted: readonly RegExp[] = [
  /^drivers\/net\/(veth|dummy|ifb|tun|macvlan)\.ko/,
  /^net\/(netfilter|ipv4\/netfilter|ipv6\/netfilter)\/(?!ipvs\/|xt_|ipt_|ip6t_|ebt)/,
  /^net\/(sched|bridge|tls|mptcp|llc|802)\//,
  /^net\/(mptcp|ipv4|ipv6)\/[^/]*diag\.ko/,
  /^net\/ipv6\/ipv6\.ko/,
  /^net\/unix\//,
  // Kernel TLS takes AES-GCM and ChaCha from here.
  /^(crypto|lib\/crypto)\//,
  /^arch\/x86\/crypto\/(aes|gcm|ghash|chacha|poly)/,
]

/**
 * Copies the wanted modules and what they depend on to `<target>/lib/modules/<release>`,
 * uncompressed, with the index that modprobe reads.
 */
export async function gatherModules(
  kernelFolder: string,
  target: string,
  release: string,
): Promise<void> {
  const all = new Map(
    globSync('**/*.ko*', { cwd: kernelFolder }).map((path) => [moduleName(path), path] as const),
  )
  const folder = join(target, 'lib/modules', release)
  mkdirSync(join(folder, 'kernel'), { recursive: true })
  const queue = [...all.values()].filter((path) => wanted.some((pattern) => pattern.test(path)))
  const done = new Set<string>()
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const name = moduleName(path)
    if (done.has(name)) continue
    done.add(name)
    const file = join(folder, 'kernel', `${name}.ko`)
    uncompress(join(kernelFolder, path), file)
    for (const needed of dependsOf(readFileSync(file))) {
      const neededPath = all.get(needed)
      if (neededPath !== undefined) queue.push(neededPath)
    }
  }
  execFileSync('busybox', ['depmod', '-b', target, release])
}

/** Module names in a .ko's `depends=` of its .modinfo section. */
export function dependsOf(module: Buffer): readonly string[] {
  const start = module.indexOf('\0depends=')
  if (start < 0) return []
  const from = start + '\0depends='.length
  const list = module.subarray(from, module.indexOf(0, from)).toString()
  return list
    .split(',')
    .filter((name) => name !== '')
    .map(normalise)
}

function uncompress(from: string, to: string): void {
  if (from.endsWith('.ko')) copyFileSync(from, to)
  else if (from.endsWith('.xz'))
    writeFileSync(to, execFileSync('xz', ['-dc', from], { maxBuffer: 1 << 28 }))
  else if (from.endsWith('.zst'))
    writeFileSync(to, execFileSync('zstd', ['-dcq', from], { maxBuffer: 1 << 28 }))
  else throw new Error(`${from}: a compression of modules that is not known here`)
}

function moduleName(path: string): string {
  return normalise(basename(path).replace(/\.ko(\.\w+)?$/, ''))
}

/** Files say nf-tables or nf_tables; the kernel means the same. */
function normalise(name: string): string {
  return name.replaceAll('-', '_')
}
