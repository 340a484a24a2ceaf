import type { Verdict } from '../../src/nodeproxy/preflight/verdict.ts'
