import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { objectDir, type Rig } from './rig.ts'

/** A directory with the objects of another version: ours, but for those that are named. */
export function objectsWith(rig: Rig, replaced: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-objects-'))
  rig.defer(() => rmSync(dir, { recursive: true }))
  for (const file of readdirSync(objectDir)) {
    if (!/^(fixture|probe)-/u.test(file)) copyFileSync(join(objectDir, file), join(dir, file))
  }
  for (const [object, fixture] of Object.entries(replaced)) {
    copyFileSync(join(objectDir, `fixture-${fixture}.bpf.o`), join(dir, `${object}.bpf.o`))
  }
  return dir
}
