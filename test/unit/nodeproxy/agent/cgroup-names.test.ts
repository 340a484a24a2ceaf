import assert from 'node:assert/strict'
import test from 'node:test'
import { isClassDirectory, podUidOf } from '../../../../src/nodeproxy/agent/cgroup-names.ts'

const uid = '7f0c2b1e-5b0e-4c0a-9d5f-0a1b2c3d4e5f'
const escaped = uid.replaceAll('-', '_')

const names: readonly (readonly [string, string | undefined])[] = [
  [`pod${uid}`, uid],
  [`kubepods-pod${escaped}.slice`, uid],
  [`kubepods-burstable-pod${escaped}.slice`, uid],
  [`kubepods-besteffort-pod${escaped}.slice`, uid],
  [`kubelet-kubepods-burstable-pod${escaped}.slice`, uid],
  ['pod0123456789abcdef0123456789abcdef', '0123456789abcdef0123456789abcdef'],
  ['burstable', undefined],
  ['kubepods-burstable.slice', undefined],
  ['podruntime.slice', undefined],
  ['cri-containerd-0123.scope', undefined],
  ['init.scope', undefined],
]

for (const [name, expected] of names) {
  test(`${name} is ${expected === undefined ? 'no pod' : 'a pod'}`, () => {
    assert.equal(podUidOf(name), expected)
  })
}

test('class directories of both drivers, and of a kubelet below a slice of its own', () => {
  for (const name of [
    'burstable',
    'besteffort',
    'kubepods-burstable.slice',
    'kubelet-kubepods-besteffort.slice',
  ]) {
    assert.equal(isClassDirectory(name), true, name)
  }
  for (const name of ['system.slice', `pod${uid}`, 'guaranteed']) {
    assert.equal(isClassDirectory(name), false, name)
  }
})
