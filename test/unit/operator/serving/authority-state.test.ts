// Rotation: at every moment what is shown is believed by whoever knows what was published before.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import test from 'node:test'
import {
  type AuthorityState,
  bundleOf,
  endOf,
  rotate,
  validity,
} from '../../../../src/operator/serving/authority-state.ts'
import { makeAuthority, signServer } from '../../../../src/operator/serving/certificates.ts'

const hour = 3_600_000
const times = { validMs: 100 * hour, renewMs: 30 * hour, overlapMs: 5 * hour }
const make = (valid: Parameters<typeof makeAuthority>[1]) => makeAuthority('test', valid)

function certificatesOf(bundle: string): readonly X509Certificate[] {
  const pems = bundle.split(/(?<=-----END CERTIFICATE-----\n)/).filter((pem) => pem !== '')
  return pems.map((pem) => new X509Certificate(pem))
}

test('a server’s certificate is signed by its authority, and names it', async () => {
  const now = Date.now()
  const authority = await make(validity(now, hour))
  const names = ['operator.sluice-system.svc', '10.96.0.7', 'fd00::7']
  const server = await signServer(authority, names, validity(now, hour))
  const signed = new X509Certificate(server.certificate)
  const signer = new X509Certificate(authority.certificate)
  assert.ok(signed.verify(signer.publicKey))
  assert.ok(signed.checkIssued(signer))
  assert.equal(signed.checkHost('operator.sluice-system.svc'), 'operator.sluice-system.svc')
  assert.equal(signed.checkIP('10.96.0.7'), '10.96.0.7')
  assert.equal(signed.checkIP('fd00::7'), 'fd00::7')
  assert.equal(signed.checkHost('elsewhere'), undefined)
  assert.equal(signer.ca, true)
  assert.equal(signed.ca, false)
})

test('a bundle that nodes took at any moment is good for the whole overlap', async () => {
  let state: AuthorityState = { current: await make(validity(0, times.validMs)) }
  const history: { readonly atMs: number; readonly bundle: string; readonly signer: string }[] = []
  const signers = new Set<string>()
  for (let atMs = 0; atMs < 400 * hour; atMs += hour) {
    state = await rotate(state, atMs, times, make)
    signers.add(state.current.certificate)
    history.push({ atMs, bundle: bundleOf(state), signer: state.current.certificate.trim() })
    assert.ok(endOf(state.current.certificate) > atMs, 'it signs after its end')
  }
  assert.ok(signers.size >= 4, `${signers.size} authorities in 400 hours`)
  for (const { atMs, bundle, signer } of history) {
    // A node whose bundle is at most the overlap old, and one with the present bundle whose
    // operator has not yet renewed its certificate.
    for (const other of history) {
      const apart = atMs - other.atMs
      if (apart < 0 || apart >= times.overlapMs) continue
      assert.ok(other.bundle.includes(signer), `bundle of ${other.atMs} at ${atMs}`)
      assert.ok(bundle.includes(other.signer), `signer of ${other.atMs} at ${atMs}`)
    }
    assert.ok(certificatesOf(bundle).length <= 3)
  }
})

test('nothing changes when it is time for nothing', async () => {
  const state = { current: await make(validity(0, times.validMs)) }
  assert.equal(await rotate(state, hour, times, make), state)
})
