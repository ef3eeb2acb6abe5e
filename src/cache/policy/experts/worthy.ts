import { fading } from '../worth.ts'
import { WorthLists } from '../worth-lists.ts'
import { Ranked } from './ranked.ts'
import type { ExpertComponents } from './expert.ts'
import type { Ranking } from './ranked.ts'

/** Keeps what is worth most for the bytes it takes, as GDSF does; of blocks of one size, those asked for often and of late */
export class Worthy extends Ranked {
  constructor (components: ExpertComponents) {
    super(components, byWorth(components))
  }
}

function byWorth ({ entries, requests }: ExpertComponents): Ranking {
  const lists = new WorthLists()

  return {
    push: entry => { lists.push(entry, entries.worth[entry] as number) },
    unlink: entry => { lists.unlink(entry) },
    has: entry => lists.has(entry),
    first: () => {
      const { worth, last } = entries
      return lists.leastBy(entry => {
        return (worth[entry] as number) - fading((requests.now - (last[entry] as number)) >>> 0, requests.halfLife)
      })
    }
  }
}
