import assert from 'node:assert/strict'
import test from 'node:test'
import { parseDepends, pickMirror } from '../../../../scripts/kernels/apt.ts'
import { findSeries, kernelSeries, newestImage } from '../../../../scripts/kernels/series.ts'

const names = [
  'linux-image-6.1-cloud-amd64',
  'linux-image-6.1.0-0.deb11.52-cloud-amd64',
  'linux-image-6.1.0-9-cloud-amd64',
  'linux-image-6.1.0-56-cloud-amd64',
  'linux-image-6.1.0-57-cloud-amd64-dbg',
  'linux-image-6.1.0-57-cloud-amd64-unsigned',
  'linux-image-6.12.99+deb12-cloud-amd64',
  'linux-image-6.12.117+deb12-cloud-amd64',
  'linux-image-7.2.9+deb13-cloud-amd64',
  'linux-image-7.2.12+deb13-cloud-amd64',
  'linux-modules-7.3.4+deb13-cloud-amd64',
  'linux-image-7.2.13+deb13-amd64',
]

test('the newest image of a series is chosen by number', () => {
  assert.equal(newestImage(names, '6.1'), 'linux-image-6.1.0-56-cloud-amd64')
  assert.equal(newestImage(names, '6.12'), 'linux-image-6.12.117+deb12-cloud-amd64')
  assert.equal(newestImage(names, undefined), 'linux-image-7.2.12+deb13-cloud-amd64')
  assert.equal(newestImage(names, '6.18'), undefined)
})

test('series are named, or any of backports', () => {
  assert.equal(findSeries('6.1').suite.name, 'bookworm-security')
  assert.deepEqual(findSeries('6.18').series, '6.18')
  assert.throws(() => findSeries('newest'), /'newest' is no kernel series: 5\.10, 6\.1/)
  assert.deepEqual(
    kernelSeries.filter(({ ci }) => ci).map(({ name }) => name),
    ['6.1', '6.12'],
  )
})

test("the mirror is the machine's own", () => {
  const uris = ['http://packages.example/apt', 'http://mirror.example/debian/', '']
  assert.equal(pickMirror(uris, 'debian'), 'http://mirror.example/debian/')
  assert.equal(pickMirror(uris, 'debian-security'), 'http://mirror.example/debian-security/')
  const both = [...uris, 'http://security.example/debian-security']
  assert.equal(pickMirror(both, 'debian-security'), 'http://security.example/debian-security')
  assert.equal(pickMirror(['http://packages.example/apt'], 'debian'), undefined)
})

test('dependencies are the names in the record', () => {
  const record =
    'Package: linux-image-x\nDepends: dracut | y, linux-binary-x (= 1), kmod\nSize: 1\n'
  assert.deepEqual(parseDepends(record), ['dracut', 'linux-binary-x', 'kmod'])
})
