import type { Native } from '../native.ts'
import { u64Of } from './layout.ts'

/**
 * Names of enum sluice_counter of bpf/abi.h, in its order; a test compares them with the objects'
 * BTF.
 */
export const counterNames = [
  'connectRedirected',
  'connectNotTcp',
  'connectNotEnrolled',
  'connectUnclassified',
  'connectUnclassifiedRefused',
  'connectProxyOwn',
  'connectLoopback',
  'connectNoFamily',
  'connectNotRoutable',
  'connectProxyDeadDirect',
  'connectProxyDeadRefused',
  'connectNoListenerDirect',
  'connectNoListenerRefused',
  'connectStorageFullDirect',
  'connectStorageFullRefused',
  'connectBoundDeviceDirect',
  'connectBoundDeviceRefused',
  'connectInactive',
  'originPublished',
  'originMapFull',
  'originRemoved',
  'bypassPublished',
  'bypassMapFull',
  'bypassTaken',
  'bypassRemoved',
  'legPlain',
  'probePublished',
  'probeNotPod',
  'peernameOrigin',
  'peernameClient',
  'peernameByTuple',
  'peernameUntouched',
  'lookupOutbound',
  'lookupInbound',
  'lookupBypass',
  'lookupNotTcp',
  'lookupNotPod',
  'lookupProbe',
  'lookupUnpublishedDropped',
  'lookupUnpublishedPassed',
  'lookupProxyDeadDirect',
  'lookupProxyDeadDropped',
  'lookupNoListenerDirect',
  'lookupNoListenerDropped',
  'lookupAssignFailed',
  'lookupInactive',
  'hashEntered',
  'hashSkippedOff',
  'hashSkippedBlocking',
  'hashSkippedPeer',
  'hashSkippedZerocopy',
  'hashSkippedSplice',
  'hashRefused',
  'hashLeftBlocking',
  'hashLeftPeer',
  'sockInfoFull',
  'sockLostStorage',
  'sockClosed',
  'sockopsUntouched',
  'listenerSeen',
  'fileNonblocking',
  'fileNotYet',
  'verdictPass',
  'verdictToLeg',
  'verdictToApp',
  'verdictDirect',
  'verdictOrder',
  'verdictOverLimit',
  'verdictOverNodeLimit',
  'verdictBlocking',
  'verdictTargetGone',
  'verdictMissing',
  'sockoptUlpRefused',
  'sockoptZerocopyRefused',
  'sockoptUntouched',
  'traceUntouched',
  'eventSent',
  'eventLost',
  'spliceUser',
  'turnedBlocking',
  'queryFound',
  'queryMissing',
  'usageRefreshed',
  'addressForgotten',
  'entriesCounted',
  'fileTurnedBlocking',
  'verdictMemory',
  'hashSkippedMemory',
  'hashLeftMemory',
  'verdictNothingRead',
  'verdictProxyAwaited',
] as const

export type CounterName = (typeof counterNames)[number]

/** Sums over all CPUs since the maps were made; they outlive the proxy. */
export function readCounters(native: Native, countersMapFd: number): Record<CounterName, bigint> {
  const { keys, values, count } = native.bpfMapDump(countersMapFd)
  const bytesPerCounter = values.length / count
  const sums: Partial<Record<CounterName, bigint>> = {}
  const index = new DataView(keys.buffer, keys.byteOffset, keys.byteLength)
  for (let entry = 0; entry < count; entry += 1) {
    const name = counterNames[index.getUint32(entry * 4, true)]
    if (name === undefined) continue
    let sum = 0n
    for (let offset = 0; offset < bytesPerCounter; offset += 8) {
      sum += u64Of(values, entry * bytesPerCounter + offset)
    }
    sums[name] = sum
  }
  return sums as Record<CounterName, bigint>
}
