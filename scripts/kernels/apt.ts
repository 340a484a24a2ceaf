import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Suite } from './series.ts'

const run = promisify(execFile)

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** One suite's packages, by an apt whose whole state is in a folder of ours. */
export interface Archive {
  /** Names of all kernel packages. */
  names(): Promise<readonly string[]>
  /** Names in the Depends field of a package. */
  dependencies(name: string): Promise<readonly string[]>
  /**
   * Downloads packages that are not there yet, checked by apt against the signed index; gives the
   * folder.
   */
  download(names: readonly string[]): Promise<string>
}

/**
 * Reads a suite's index. The machine's own sources, lists and cache are neither read nor written.
 * Without a network, the index of an earlier run serves.
 */
export async function openArchive(
  cacheFolder: string,
  suite: Suite,
  signal: AbortSignal,
): Promise<Archive> {
  if (!existsSync(KEYRING)) {
    throw new Error(`${KEYRING} is not there: install the package debian-archive-keyring`)
  }
  const folder = join(cacheFolder, 'apt', suite.name)
  const packages = join(cacheFolder, 'packages')
  for (const path of [join(folder, 'lists/partial'), join(folder, 'archives/partial'), packages]) {
    mkdirSync(path, { recursive: true })
  }
  const sources = join(folder, 'sources.list')
  const lock = join(folder, 'lock')
  const uri = await mirrorOf(suite)
  writeFileSync(sources, `deb [arch=amd64 signed-by=${KEYRING}] ${uri} ${suite.name} main\n`)
  const own = [
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::Cache=${folder}`,
    'APT::Architecture=amd64',
    'Acquire::Languages=none',
    // The cache may lie where apt's own user cannot write.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option])
  const apt = async (command: string, args: readonly string[], cwd = folder): Promise<string> => {
    const env = { ...process.env, LC_ALL: 'C' }
    const options = { cwd, maxBuffer: MAX_OUTPUT_BYTES, env, signal }
    // Two runs at once would stop at each other's lock. No fork: the signal is to reach apt.
    const { stdout } = await run('flock', ['--no-fork', lock, command, ...own, ...args], options)
    return stdout
  }
  await apt('apt-get', ['-q', 'update'])
  return {
    names: async () => (await apt('apt-cache', ['pkgnames', 'linux-'])).split('\n'),
    dependencies: async (name) =>
      parseDepends(await apt('apt-cache', ['show', '--no-all-versions', name])),
    download: async (names) => {
      await apt('apt-get', ['-q', 'download', ...names], packages)
      return packages
    },
  }
}

/** Where this machine gets Debian's packages from, or SLUICE_DEBIAN_MIRROR (as `http://host`). */
async function mirrorOf({ archive }: Suite): Promise<string> {
  const given = process.env['SLUICE_DEBIAN_MIRROR']
  if (given !== undefined) return `${given.replace(/\/$/, '')}/${archive}`
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])
  const uri = pickMirror(stdout.split('\n'), archive)
  if (uri !== undefined) return uri
  const fix = 'set SLUICE_DEBIAN_MIRROR to the http address of a Debian mirror'
  throw new Error(`this machine's apt sources name no Debian mirror: ${fix}`)
}

/** The archive among a machine's repositories, or the one that lies beside another of Debian's. */
export function pickMirror(uris: readonly string[], archive: Suite['archive']): string | undefined {
  const debian = uris.filter((uri) => /\/debian(-security)?\/?$/.test(uri))
  const exact = debian.find((uri) => uri.replace(/\/$/, '').endsWith(`/${archive}`))
  return exact ?? debian[0]?.replace(/\/debian(-security)?\/?$/, `/${archive}/`)
}

/** Package names in the Depends field of what `apt-cache show` prints. */
export function parseDepends(record: string): readonly string[] {
  const [, list = ''] = /^Depends: (.*)$/m.exec(record) ?? []
  return list.split(',').map((item) => item.trim().split(/[ |]/)[0] ?? '')
}
