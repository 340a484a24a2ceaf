export type FindingStatus = 'ok' | 'warn' | 'fail'

/** What one check found. */
export interface Finding {
  readonly section: string
  readonly title: string
  readonly status: FindingStatus
  /** What is wrong; empty when nothing is. */
  readonly detail: string
  /** What to do about it. */
  readonly hint: string
}

export function ok(section: string, title: string): Finding {
  return { section, title, status: 'ok', detail: '', hint: '' }
}

export function warn(section: string, title: string, detail: string, hint: string): Finding {
  return { section, title, status: 'warn', detail, hint }
}

export function fail(section: string, title: string, detail: string, hint: string): Finding {
  return { section, title, status: 'fail', detail, hint }
}

const shownAtMost = 5

/** The first of many, and how many more there are. Sentences are not joined by commas. */
export function listed(items: readonly string[]): string {
  const more = items.length > shownAtMost ? ` and ${items.length - shownAtMost} more` : ''
  const separator = items.some((item) => item.includes(', ')) ? '; ' : ', '
  return items.slice(0, shownAtMost).join(separator) + more
}
