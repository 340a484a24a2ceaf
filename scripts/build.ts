// `npm run build`: set-up has built addon, keeper and BPF objects when this runs; what is left is
// dist/, the compiled TypeScript that images ship.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, runTool } from './tools.ts'

rmSync(join(root, 'dist'), { recursive: true, force: true })
process.exitCode = runTool('tsc', ['-p', 'tsconfig.build.json'])
if (process.exitCode === 0) {
  process.stdout.write(
    'built: dist/ (TypeScript), build/Release (addon, keeper), build/bpf (BPF)\n',
  )
}
