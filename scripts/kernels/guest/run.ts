// Runs inside the guest: preflight, then all of test/kernel, then the kernel's log. Tells each as a line of
// JSON on stdout.
import { execFileSync, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { run } from 'node:test'
import type { GuestMessage } from '../guest-message.ts'
