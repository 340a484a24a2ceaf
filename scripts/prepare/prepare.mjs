import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { prepareAddon } from './addon.mjs'
import { prepareBpf } from './bpf.mjs'
import { prepareModules } from './modules.mjs'
import { preparePackages } from './packages.mjs'
import { root, SetupError } from './say.mjs'

/**
 * What each kind of work needs. `packages` are groups of packages.mjs; `built` are the addon, the
 * keeper and the BPF objects.
 * @type {Record<string, { packages: string[], built: boolean }>}
 */
export const needs = {
  all: { packages: ['build', 'lab', 'servers', 'test', 'cluster', 'bench'], built: true },
  build: { packages: ['build'], built: true },
  image: { packages: ['build'], built: true },
  check: { packages: [], built: false },
  sluice: { packages: ['build', 'lab'], built: true },
  demo: { packages: ['build', 'lab', 'servers'], built: true },
  test: { packages: ['build', 'lab', 'servers', 'test', 'cluster'], built: true },
  cluster: { packages: ['build', 'lab', 'cluster'], built: true },
  kernels: { packages: ['build', 'lab', 'test'], built: true },
  bench: { packages: ['build', 'lab', 'servers', 'bench'], built: true },
  fuzz: { packages: ['build'], built: true },
}

const oldestNode = 20
const lockBusy = 75

/**
 * Brings the machine and the working tree to what this work needs; does nothing, quickly, when they
 * are there already.
 * @param {string} work a key of `needs`
 */
export function prepare(work) {
  const major = Number(process.versions.node.split('.')[0])
  if (major < oldestNode) {
    throw new SetupError(
      `Node ${process.versions.node} is too old to start with: install ${oldestNode} or newer`,
    )
  }
  const need = needs[work]
  if (need === undefined) {
    throw new SetupError(`unknown work '${work}': one of ${Object.keys(needs).join(', ')}`)
  }
  preparePackages(need.packages)
  prepareModules()
  if (!need.built) return
  prepareBpf()
  prepareAddon()
}

/**
 * As prepare(), one process at a time: two that install or build at once would break each other.
 * @param {string} work
 * @returns {number} exit status
 */
export function prepareAlone(work) {
  const lock = join(root, 'build/.setup.lock')
  mkdirSync(join(root, 'build'), { recursive: true })
  const script = new URL('../setup.mjs', import.meta.url).pathname
  // flock(1) is part of every Debian; --close keeps the lock out of what the build starts.
  const lockArgs = ['--close', '--wait', '1800', '--conflict-exit-code', `${lockBusy}`, lock]
  const { status, error } = spawnSync('flock', [...lockArgs, process.execPath, script, work], {
    stdio: ['ignore', 2, 2],
  })
  if (error !== undefined) {
    throw new SetupError(`flock cannot be run (${error.message}): install util-linux`)
  }
  if (status === lockBusy) {
    throw new SetupError(`another set-up has held ${lock} for 30 minutes: is it hung?`)
  }
  return status ?? 1
}
