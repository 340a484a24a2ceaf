interface Route {
  readonly spec?: { readonly parentRefs?: readonly ParentRef[] | null }
}

interface ParentRef {
  readonly group?: string
  readonly kind?: string
}

/**
 * Whether a route of the Gateway API is for a mesh: it has a Service among its parents. Their
 * default is a Gateway; `core` is the name of the empty group in the specification's own examples.
 */
export function namesService(route: object): boolean {
  const { parentRefs } = (route as Route).spec ?? {}
  return (parentRefs ?? []).some(
    ({ group, kind }) => kind === 'Service' && (group === '' || group === 'core'),
  )
}
