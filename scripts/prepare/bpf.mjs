import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root, SetupError, say } from './say.mjs'
import { filesUnder, fingerprint, readStamp, writeStamp } from './stamp.mjs'

const machines = {
  x64: { target: 'x86', multiarch: 'x86_64-linux-gnu' },
  arm64: { target: 'arm64', multiarch: 'aarch64-linux-gnu' },
}

/** Programs for tests alone; their names begin with `fixture-`. */
const fixtures = 'test/kernel/fixtures'

/**
 * Compiles each bpf/*.bpf.c, and the tests' fixtures, whose source, or any header beside it,
 * changed, to build/bpf/*.bpf.o.
 */
export function prepareBpf() {
  const headers = filesUnder('bpf', ['.h'])
  const sources = [...filesUnder('bpf', ['.bpf.c']), ...filesUnder(fixtures, ['.bpf.c'])]
  for (const source of sources.sort()) {
    const object = join('build/bpf', `${basename(source, '.c')}.o`)
    const stamp = `bpf/${basename(source)}`
    const now = fingerprint([source, ...headers, 'scripts/prepare/bpf.mjs'], [])
    if (existsSync(join(root, object)) && readStamp(stamp) === now) continue
    say(`compiling ${source} (clang-19)`)
    compile(source, object)
    writeStamp(stamp, now)
  }
}

/**
 * @param {string} source
 * @param {string} object
 */
function compile(source, object) {
  const machine = machines[/** @type {keyof typeof machines} */ (process.arch)]
  mkdirSync(join(root, 'build/bpf'), { recursive: true })
  const aside = `${object}.new`
  const flags = `-O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter
    -D__TARGET_ARCH_${machine.target} -I bpf -idirafter /usr/include/${machine.multiarch}`
  run('clang-19', [...flags.split(/\s+/), '-c', source, '-o', aside])
  run('llvm-strip-19', ['-g', aside])
  // One rename, so that a process that loads objects now never sees half of one.
  renameSync(join(root, aside), join(root, object))
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error !== undefined) {
    throw new SetupError(
      `${command} cannot be run (${error.message}): run \`scripts/setup\` as root`,
    )
  }
  if (status !== 0) throw new SetupError(`${command} failed with status ${status}: see above`)
}
