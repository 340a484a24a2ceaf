import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { lockedNode, lockedNodeFolder } from './modules.mjs'
import { root, SetupError, say } from './say.mjs'
import { filesUnder, fingerprint, readStamp, writeStamp } from './stamp.mjs'

const sources = ['native', 'binding.gyp', 'node_modules/node-addon-api/package.json']
const endings = ['.cc', '.c', '.h', '.hpp', '.gyp', '.gypi']

/**
 * Builds the addon and the keeper when a source, the list of sources or the locked Node changed.
 */
export function prepareAddon() {
  const nodeHeader = join(lockedNodeFolder(), 'include/node/node_version.h').slice(root.length)
  const now = fingerprint([...sources, ...filesUnder('bpf', ['.h']), nodeHeader], endings)
  if (allBuilt() && readStamp('addon') === now) return

  // binding.gyp lists sources when it is configured: a new file needs that again, a changed one
  // does not.
  const listed = filesUnder('native', ['.cc', '.c']).sort().join('\n')
  const shape = `${fingerprint(['binding.gyp', nodeHeader], endings)}\n${listed}\n${root}`
  const configured = existsSync(join(root, 'build/Makefile')) && readStamp('addon-shape') === shape
  say('building the native addon and the keeper (node-gyp): sources changed, or never built')
  if (!configured) gyp('configure')
  writeStamp('addon-shape', shape)
  gyp('build', '--jobs', '2')
  writeStamp('addon', now)
}

/** Each target of binding.gyp is an addon (.node) or an executable. */
function allBuilt() {
  const targets = readFileSync(join(root, 'binding.gyp'), 'utf8').matchAll(
    /'target_name': '([^']+)'/g,
  )
  return [...targets].every(([, name]) =>
    ['', '.node'].some((ending) => existsSync(join(root, `build/Release/${name}${ending}`))),
  )
}

/** @param {readonly string[]} args */
function gyp(...args) {
  const node = lockedNode()
  const script = join(root, 'node_modules/node-gyp/bin/node-gyp.js')
  const flags = [`--nodedir=${lockedNodeFolder()}`, '--loglevel=warn']
  const { status } = spawnSync(node, [script, ...args, ...flags], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: cleanEnvironment(dirname(node)),
  })
  if (status !== 0) {
    throw new SetupError(`node-gyp ${args[0]} failed with status ${status}: see the compiler above`)
  }
}

/**
 * npm's own settings in the environment (npm_config_nodedir, say) would win over the flags above,
 * and binding.gyp runs `node`, which must be the locked one.
 * @param {string} nodeFolder
 */
function cleanEnvironment(nodeFolder) {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
  return { ...Object.fromEntries(own), PATH: `${nodeFolder}:${process.env.PATH ?? ''}` }
}
