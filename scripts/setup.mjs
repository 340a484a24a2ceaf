// What scripts/setup runs, under the lock. Plain JavaScript without dependencies: it must run
// before anything is installed, under whatever Node (20 or newer) the machine has.
import { prepare } from './prepare/prepare.mjs'
import { SetupError, say } from './prepare/say.mjs'

try {
  prepare(process.argv[2] ?? 'all')
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  say(`failed: ${error.message}`)
  process.exitCode = 1
}
