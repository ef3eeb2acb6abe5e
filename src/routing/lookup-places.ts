import type { Provider, ProviderId } from '../interface/provider.ts'

/** A quarter of the places is sure to each router and source: a node has two or three, and sixteen providers are plenty to ask */
const SHARES = 4

/**
 * How often one of them may name one provider: a lookup in the DHT names it four times as it hears of it, and four times
 * with addresses that two have told. Each has its own, so that what one makes up silences none of the others.
 */
const MAX_NAMED = 8

/** And all together: each naming is another way to ask */
const MAX_NAMED_BY_ALL = 24

export interface Named {
  readonly provider: Provider
  /** The source that named it */
  readonly source: string
}

interface Voice {
  taken: number
  readonly held: Named[]
}

/**
 * Who gets the places of one lookup. Each router and source has a share that no
 * other can take, however early and however much it names. What one names
 * beyond its share is held until the others have had their time, and takes what
 * is left then.
 */
export class LookupPlaces {
  readonly #max: number
  readonly #share: number
  readonly #voices = new Map<string, Voice>()
  readonly #named = new Map<ProviderId, Map<string, number>>()
  #taken = 0
  #opened = false

  constructor (max: number) {
    this.#max = max
    this.#share = Math.ceil(max / SHARES)
  }

  /** `surplus` is forgotten */
  offer (named: Named): 'taken' | 'held' | 'surplus' {
    const { provider, source } = named
    const name = `${source} ${provider.source}`
    const known = this.#named.get(provider.id)

    if (known != null) {
      return nameAgain(known, name)
    }

    const voice = this.#voice(name)

    // as many again for those who come late: a crowd of early ones must not shut them out
    if (voice != null && voice.taken < this.#share && this.#taken < 2 * this.#max) {
      return this.#take(voice, provider, name)
    }

    if (this.#taken >= this.#max || voice == null) {
      return 'surplus'
    }

    if (this.#opened) {
      return this.#take(voice, provider, name)
    }

    if (voice.held.length < this.#max - this.#share) {
      voice.held.push(named)
      return 'held'
    }

    return 'surplus'
  }

  /** The others have had their time: who was held, in turns, as far as there is room */
  open (): Named[] {
    this.#opened = true
    const held = [...this.#voices.values()].map(voice => ({ voice, names: voice.held.splice(0) }))
    const most = Math.max(0, ...held.map(({ names }) => names.length))
    const released: Named[] = []

    for (let i = 0; i < most; i++) {
      for (const { names } of held) {
        const named = names[i]

        if (named != null && this.offer(named) === 'taken') {
          released.push(named)
        }
      }
    }

    return released
  }

  #take (voice: Voice, provider: Provider, name: string): 'taken' {
    voice.taken++
    this.#taken++
    this.#named.set(provider.id, new Map([[name, 1]]))
    return 'taken'
  }

  #voice (name: string): Voice | undefined {
    let voice = this.#voices.get(name)

    // one that comes when no place is left needs none
    if (voice == null && this.#taken < 2 * this.#max) {
      voice = { taken: 0, held: [] }
      this.#voices.set(name, voice)
    }

    return voice
  }
}

/** Beyond the bounds it is not counted either: so the table has them too */
function nameAgain (times: Map<string, number>, name: string): 'taken' | 'surplus' {
  const own = times.get(name) ?? 0
  const all = [...times.values()].reduce((sum, each) => sum + each, 0)

  if (own >= MAX_NAMED || all >= MAX_NAMED_BY_ALL) {
    return 'surplus'
  }
  times.set(name, own + 1)
  return 'taken'
}
