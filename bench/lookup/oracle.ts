import { compareDistance } from '../../src/discovery/kad/kad-key.ts'
import type { KadPeer } from '../../src/discovery/kad/kad-client.ts'
import type { KadKey } from '../../src/discovery/kad/kad-key.ts'

export interface OracleWalkInit {
  readonly target: KadKey
  readonly k: number
  readonly concurrency: number
  readonly known: readonly KadPeer[]
  alive (id: string): boolean
  /** Whom a living peer names */
  ask (peer: KadPeer): Promise<readonly KadPeer[]>
}

/**
 * A walk that is told who is dead: it never asks them. At each moment as many as
 * may be of the k nearest living that it has heard of are being asked, nearest
 * first; it ends with the answer after which all of the k nearest have answered.
 */
export async function oracleWalk ({ target, k, concurrency, known, alive, ask }: OracleWalkInit): Promise<void> {
  const heard = new Set<string>()
  const answered = new Set<string>()
  const asked = new Set<string>()
  let nearest: KadPeer[] = []
  let running = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()

  const hear = (peers: readonly KadPeer[]): void => {
    const fresh = peers.filter(({ id }) => !heard.has(id) && alive(id))
    fresh.forEach(({ id }) => { heard.add(id) })
    nearest = [...nearest, ...fresh].sort((a, b) => compareDistance(target, a.key, b.key)).slice(0, k)
  }

  const advance = (): void => {
    for (const peer of nearest) {
      if (running < concurrency && !asked.has(peer.id)) {
        asked.add(peer.id)
        running++
        ask(peer).then(closer => {
          running--
          answered.add(peer.id)
          hear(closer)
          advance()
        }).catch(reject)
      }
    }

    if (nearest.every(({ id }) => answered.has(id))) {
      resolve()
    }
  }

  hear(known)
  advance()
  await promise
}
