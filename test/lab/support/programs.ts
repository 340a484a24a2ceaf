import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

const PROGRAMS = join(import.meta.dirname, '../programs')
const OUTPUT = join(import.meta.dirname, '../../../build/test')

/** A guest with another kernel has no compilers, and the programs as they were made outside. */
const inGuest = process.env['SLUICE_GUEST'] === '1'

/**
 * Compiles a C program of test/lab/programs, once while its source stays the same.
 * @param libraries as the linker wants them, `-lssl`
 */
export function compileC(source: string, libraries: readonly string[] = []): string {
  return compiled(source, (from, to) => [
    'gcc',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-pthread',
    '-o',
    to,
    from,
    ...libraries,
  ])
}

/** The program that asks for kernel TLS; guests have it, too. */
export function compileKtls(): string {
  return compileC('compat/ktls.c', ['-lssl', '-lcrypto'])
}

/** The same for Go; the program has no dependencies outside Go's own library. */
export function compileGo(source: string): string {
  return compiled(source, (from, to) => ['go', 'build', '-o', to, from])
}

/** Gives the folder with the class files. */
export function compileJava(source: string): string {
  const folder = join(OUTPUT, basename(source, '.java'))
  const marker = join(folder, `${basename(source, '.java')}.class`)
  const from = join(PROGRAMS, source)
  if (!isNewer(marker, from)) run(['javac', '-d', folder, from])
  return folder
}

/** A program that needs no compiler. */
export function script(source: string): string {
  return join(PROGRAMS, source)
}

function compiled(source: string, argvOf: (from: string, to: string) => string[]): string {
  const from = join(PROGRAMS, source)
  const to = join(OUTPUT, basename(source).replace('.', '-'))
  if (inGuest) return to
  mkdirSync(OUTPUT, { recursive: true })
  const headers = readdirSync(PROGRAMS).filter((name) => name.endsWith('.h'))
  const sources = [from, ...headers.map((name) => join(PROGRAMS, name))]
  if (!sources.every((one) => isNewer(to, one))) run(argvOf(from, to))
  return to
}

function isNewer(made: string, source: string): boolean {
  return existsSync(made) && statSync(made).mtimeMs > statSync(source).mtimeMs
}

function run(argv: readonly string[]): void {
  const [command = '', ...args] = argv
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) {
    throw new Error(`${argv.join(' ')}: ${error?.message ?? stderr}; \`scripts/setup\` installs it`)
  }
}
