import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { modulesFolder, partsCache } from '../../../../scripts/cluster/cache.ts'
import { clusterPaths } from '../../../../scripts/cluster/names.ts'
import { kubernetesVersion, parts } from '../../../../scripts/cluster/parts.ts'

test("names of clusters are safe parts of files' names", () => {
  assert.equal(clusterPaths('a-1').folder, '/var/lib/sluice-cluster/a-1')
  for (const name of ['', '-a', 'a/b', '..', 'A', 'a'.repeat(33)]) {
    assert.throws(() => clusterPaths(name), /cannot name a cluster/, name)
  }
})

test('the cache is where the environment says, outside of the checkout', () => {
  assert.match(partsCache({ SLUICE_CACHE: '/x' }).bin, /^\/x\/sluice\/cluster-[0-9a-f]{16}\/bin$/)
  assert.match(partsCache({ XDG_CACHE_HOME: '/y' }).folder, /^\/y\/sluice\/cluster-/)
  assert.match(partsCache({}).folder, /\.cache\/sluice\/cluster-/)
})

test('every part has its module, with a checksum for whatever it is built from', () => {
  for (const { module } of parts) {
    const text = readFileSync(join(modulesFolder, module, 'go.mod'), 'utf8')
    assert.match(text, /^module sluice\.dev\/cluster\//)
    const sums = globSync(`${module}/go.sum`, { cwd: modulesFolder })
    assert.equal(sums.length, text.includes('require') ? 1 : 0, module)
  }
  const kubernetes = readFileSync(join(modulesFolder, 'kubernetes/go.mod'), 'utf8')
  assert.ok(kubernetes.includes(`k8s.io/kubernetes ${kubernetesVersion}`))
})
