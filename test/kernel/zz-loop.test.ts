import test from 'node:test'
import { spawnSync } from 'node:child_process'
import assert from 'node:assert'
for (let i=0;i<60;i++) test('r'+i, ()=>{ 
  const r = spawnSync(process.execPath,['src/cli/main.ts','preflight','-o','json'],{encoding:'utf8'})
  const v = JSON.parse(r.stdout)
  const bad = v.checks.filter(c=>c.status!=='ok').map(c=>c.id+': '+c.detail)
  assert.deepEqual(bad,['kubepods: no kubepods below /sys/fs/cgroup'])
})
