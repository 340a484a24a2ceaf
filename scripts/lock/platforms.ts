/** What this reads and writes of package-lock.json. */
export interface Lock {
  packages: Record<string, LockedPackage>
}

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

interface MissingPackage {
  readonly name: string
  readonly version: string
  readonly dev: boolean
}

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'x64', 'ia32', 'arm', 'ppc64', 'riscv64', 's390x']

/** Optional dependencies of locked packages that the lock does not have. */
export function missingFromLock({ packages }: Lock): readonly MissingPackage[] {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {}, dev = false }]) =>
    Object.entries(optionalDependencies)
      .filter(
        ([name]) =>
          !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages),
      )
      .map(([name, version]) => ({ name, version, dev })),
  )
}

/**
 * Which machines a package is for, out of its name: '@oxlint/binding-linux-x64-musl', say.
 * @throws when the name does not say, or says that it is for a machine that Sluice runs on
 */
export function parsePlatform(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[-/]/)
  const os = systems.filter((system) => words.includes(system))
  const cpu = processors.filter((processor) => words.includes(processor))
  if (os.length === 0 || cpu.length === 0) {
    throw new Error(`${name} does not say by its name what machine it is for: add it by hand`)
  }
  const musl = words.some((word) => word.startsWith('musl'))
  const ours = os.includes('linux') && !musl && (cpu.includes('x64') || cpu.includes('arm64'))
  if (ours) throw new Error(`${name} is for our machines: a registry that carries it must lock it`)
  return { os, cpu, ...(os.includes('linux') ? { libc: [musl ? 'musl' : 'glibc'] } : {}) }
}
