// A process beside every lab: when the lab's owner ends without having cleaned up, SIGKILL
// included, the pipe that is our standard input ends, and we clean up for it.
//   janitor.ts LAB
import { text } from 'node:stream/consumers'
import { cleanLab } from './clean.ts'

const [lab = ''] = process.argv.slice(2)

// An interrupt at the terminal ends the owner; we are there for what comes after.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

if ((await text(process.stdin)) !== 'cleaned\n') {
  try {
    await cleanLab(lab)
  } catch (error) {
    process.stderr.write(`lab ${lab}: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
