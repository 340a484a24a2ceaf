/**
 * Of the wire format. Additions (new fields, types of resources or messages) keep it; what an older
 * reader would misunderstand raises it, and the version before is read still.
 */
export const wireVersion = 1
const oldestVersion = 1

/** @returns why not; undefined when messages of that version can be read */
export function unreadableVersion(version: unknown, current = wireVersion): string | undefined {
  const oldest = Math.max(oldestVersion, current - 1)
  if (typeof version !== 'number' || !Number.isInteger(version)) {
    return 'message without a version: the other side speaks another protocol'
  }
  if (version >= oldest && version <= current) return undefined
  const older = version < oldest ? 'the other side' : 'this side'
  return `message version ${version} cannot be read, ${oldest} to ${current} can: upgrade ${older}`
}
