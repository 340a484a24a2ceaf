import type { HttpPathEdit } from '../../model/http-routes.ts'

/**
 * A path after an edit, by the table of the Gateway API's `replacePrefixMatch`.
 * @param prefixLength of what a prefix match matched, without a `/` at its end
 */
export function editPath(
  path: string,
  edit: HttpPathEdit | undefined,
  prefixLength: number,
): string {
  if (edit === undefined) return path
  const edited = edit.type === 'full' ? edit.value : edit.value + path.slice(prefixLength)
  return edited === '' ? '/' : edited
}

export function targetOf(path: string, query: string | undefined): string {
  return query === undefined ? path : `${path}?${query}`
}
