// One node's proxy: `nodeproxy --node NAME …`. See lifecycle/options.ts for its flags.
import { enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'

/**
 * What V8 made of the modules is kept beside the state, which nobody else can write: a restart must
 * be back before the hooks take the proxy for dead. Workers find it by the environment.
 */
function keepCompiledCode(argv: readonly string[]): void {
  const at = argv.indexOf('--state')
  const state = at < 0 ? undefined : argv[at + 1]
  if (state === undefined || !state.startsWith('/')) return
  const directory = join(state, 'compiled')
  if (enableCompileCache(directory).directory !== undefined)
    process.env.NODE_COMPILE_CACHE = directory
}

keepCompiledCode(process.argv)
const { start } = await import('./lifecycle/start.ts')
await start(process.argv.slice(2), flushCompileCache)
// Worker threads and descriptors that are still open end with the process.
process.exit()
