// Run after an `npm install` that changed package-lock.json: set-up uses `npm ci`, and
// its newer versions refuse a lock that lacks an optional dependency of any platform. A registry
// mirror that does not carry the packages of other platforms makes npm leave them out. This adds
// them, by name and version alone: they are never installed on Linux with glibc.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingFromLock, parsePlatform } from './lock/platforms.ts'
import { root } from './tools.ts'

const path = join(root, 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8')) as Parameters<typeof missingFromLock>[0]
for (const { name, version, dev } of missingFromLock(lock)) {
  const entry = { version, ...parsePlatform(name), ...(dev ? { dev } : {}), optional: true }
  lock.packages[`node_modules/${name}`] = entry
  process.stdout.write(`added ${name} ${version}\n`)
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
)
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
