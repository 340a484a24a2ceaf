import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Lock, missingFromLock, parsePlatform } from '../../../scripts/lock/platforms.ts'

const path = join(import.meta.dirname, '../../../package-lock.json')

test('package-lock.json has every optional dependency, as npm ci wants', () => {
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
  assert.deepEqual(missingFromLock(lock), [], 'run scripts/complete-lock.ts by the locked Node')
})

test('an optional dependency that is not locked is found', () => {
  const packages = {
    'node_modules/a': {
      version: '1.0.0',
      dev: true,
      optionalDependencies: { 'a-darwin-x64': '1.0.0' },
    },
  }
  const missing = [{ name: 'a-darwin-x64', version: '1.0.0', dev: true }]
  assert.deepEqual(missingFromLock({ packages }), missing)
})

test('the machine is read from the name', () => {
  assert.deepEqual(parsePlatform('@a/b-darwin-arm64'), { os: ['darwin'], cpu: ['arm64'] })
  const musl = { os: ['linux'], cpu: ['x64'], libc: ['musl'] }
  assert.deepEqual(parsePlatform('@a/binding-linux-x64-musl'), musl)
})

test('a package for our own machines, or for unknown ones, is refused', () => {
  assert.throws(() => parsePlatform('@a/b-linux-x64'), /our machines/)
  assert.throws(() => parsePlatform('a-wasm'), /by hand/)
})
