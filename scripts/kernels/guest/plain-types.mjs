// Loaded first into each Node of a guest: its .ts files have no types any more (see contentOf() in
// ../project-files.ts), so none are to be stripped.
import { registerHooks } from 'node:module'

registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith('.ts') ? { ...context, format: 'module' } : context),
})
