// Makes what a kernel test makes, with a process in it, says so, and waits to be killed.
import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import test from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createRig } from './rig.ts'
import { scratchBpffs, scratchCgroup, scratchDir } from './scratch.ts'

test('doomed', async (t) => {
  const rig = createRig(t)
  const made = [scratchBpffs(t), scratchDir(t), scratchCgroup(t).dir]
  // It would outlive its parent; it starts in the rig's cgroup, as this process is there.
  const orphan = spawn('sleep', ['infinity'], { detached: true, stdio: 'ignore' })
  const paths = [rig.options.bpffsDir, rig.cgroups.root, ...made]
  writeSync(1, `\nmade ${JSON.stringify({ paths, orphan: orphan.pid })}\n`)
  await setTimeout(3_600_000)
})
