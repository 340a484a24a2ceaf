import { type FSWatcher, watch } from 'node:fs'
import { basename, join } from 'node:path'
import type { CgroupTree, PodCgroup } from './cgroup-tree.ts'

export interface CgroupWatch {
  /** Watches exactly this tree from now on. */
  follow(tree: CgroupTree): void
  /** inotify watches held, for metrics and for the test that none is left. */
  readonly size: number
  close(): void
}

export interface CgroupWatchHandlers {
  /** Pods may have come or gone: read the tree again. */
  readonly onTree: () => void
  /** This pod got its first process or lost its last one. */
  readonly onPod: (uid: string) => void
  readonly onError: (path: string, error: Error) => void
}

/**
 * inotify on the kubepods and class directories, and on each pod's `cgroup.events`, which the
 * kernel touches when the first process enters anywhere below and when the last one leaves. It must
 * be that file itself: the kernel raises no event for a file that nobody has looked up, so a watch
 * on the directory misses it.
 */
export function watchCgroups(handlers: CgroupWatchHandlers): CgroupWatch {
  const watchers = new Map<string, FSWatcher>()

  function start(path: string, onChange: () => void): void {
    if (watchers.has(path)) return
    try {
      const watcher = watch(path, { persistent: false }, (event, name) => {
        // `rename` with its own name: what was watched is gone, and a successor needs a watch of
        // its own.
        if (event === 'rename' && name === basename(path)) {
          stop(path)
          handlers.onTree()
        } else onChange()
      })
      watcher.on('error', (error) => {
        stop(path)
        handlers.onError(path, error)
      })
      watchers.set(path, watcher)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Gone already: the event of its parent directory says so too.
      if (code !== 'ENOENT') handlers.onError(path, error as Error)
    }
  }

  function stop(path: string): void {
    watchers.get(path)?.close()
    watchers.delete(path)
  }

  return {
    follow({ pods, parents }) {
      const wanted = new Set([...parents, ...pods.map(eventsFile)])
      for (const path of watchers.keys()) if (!wanted.has(path)) stop(path)
      for (const path of parents) start(path, handlers.onTree)
      for (const pod of pods) start(eventsFile(pod), () => handlers.onPod(pod.uid))
    },
    get size() {
      return watchers.size
    },
    close() {
      for (const path of watchers.keys()) stop(path)
    },
  }
}

function eventsFile(pod: PodCgroup): string {
  return join(pod.dir, 'cgroup.events')
}
