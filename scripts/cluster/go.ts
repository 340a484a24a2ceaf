import { chmodSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../src/lab/process/command.ts'
import { goVersion } from './parts.ts'

const DOWNLOAD_TIMEOUT_MS = 15 * 60_000
const architectures: Readonly<Partial<Record<string, string>>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * The go command of exactly the version that the parts are built with: the machine's own, or the
 * one that any older go fetches from the module proxy, where toolchains are modules like others,
 * checked against the checksum database.
 * @throws Error with the fix when the machine has no go at all
 */
export async function findGo(say: (message: string) => void): Promise<string> {
  const own = await versionOf('go')
  if (own === undefined) {
    throw new Error(
      'no go in PATH: run `scripts/setup cluster` (it installs the package golang-go)',
    )
  }
  if (own === goVersion) return 'go'
  say(`fetching ${goVersion} from the Go module proxy: the machine's go is ${own}`)
  const toolchain = `golang.org/toolchain@v0.0.1-${goVersion}.linux-${goArchitecture()}`
  const answer = await runCommand(['go', 'mod', 'download', '-json', toolchain], {
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
  }).catch((error: unknown) => {
    throw new Error(`${toolchain} cannot be had: is the Go module proxy reachable (GOPROXY)?`, {
      cause: error,
    })
  })
  const { Dir: folder } = JSON.parse(answer) as { readonly Dir: string }
  // Archives of modules have no permissions; go itself does the same with what it fetches.
  for (const file of globSync(['bin/*', 'pkg/tool/*/*'], { cwd: folder })) {
    chmodSync(join(folder, file), 0o755)
  }
  return join(folder, 'bin/go')
}

async function versionOf(go: string): Promise<string | undefined> {
  try {
    return (await runCommand([go, 'env', 'GOVERSION'])).trim()
  } catch {
    return undefined
  }
}

function goArchitecture(): string {
  const name = architectures[process.arch]
  if (name === undefined) throw new Error(`no Go for ${process.arch}: use x64 or arm64`)
  return name
}
