import { NONE, SlotLists } from '../slot-lists.ts'
import { Ranked } from './ranked.ts'
import type { ExpertComponents } from './expert.ts'
import type { Ranking } from './ranked.ts'

const ALL = 0

/** Keeps what was asked for last (LRU): the one that the others have to beat */
export class LeastRecent extends Ranked {
  constructor (components: ExpertComponents) {
    super(components, byRecency())
  }
}

function byRecency (): Ranking {
  const lists = new SlotLists(1)

  return {
    push: entry => { lists.push(ALL, entry) },
    unlink: entry => { lists.unlink(entry) },
    has: entry => lists.of(entry) !== NONE,
    first: () => lists.oldest(ALL)
  }
}
