// What an image starts: `entry PROGRAM [arguments]`. One image holds all programs of Sluice.
const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  nodeproxy: () => import('./nodeproxy/main.ts'),
  operator: () => import('./operator/main.ts'),
  uninstall: () => import('./operator/uninstall/main.ts'),
  sluice: () => import('./cli/main.ts'),
}

// The programs read their arguments as if they had been started by themselves.
const [name = ''] = process.argv.splice(2, 1)
const start = programs[name]
if (start === undefined) {
  const names = Object.keys(programs).join(', ')
  process.stderr.write(`'${name}' is no program of Sluice: the first argument is one of ${names}\n`)
  process.exitCode = 2
} else {
  await start()
}
