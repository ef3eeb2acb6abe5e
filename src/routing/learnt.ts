import type { DisclosureEntry, DisclosureState } from '../interface/disclosure.ts'

/** A party that learnt of a read, or may have */
export interface LearntBy {
  readonly request: string
  readonly observer: string
  readonly form: DisclosureEntry['form']
  readonly transport: string
  readonly audience: DisclosureEntry['audience']
  readonly state: DisclosureState
  readonly cancelled: boolean
}

/** Parties of one transport that are named in a line; of a look-up in a DHT nobody reads twenty peer ids */
const NAMED = 3

export function learntBy ({ request, observer, form, transport, audience, state, cancelled }: DisclosureEntry): LearntBy {
  return { request, observer, form, transport, audience, state, cancelled }
}

/** One line, if anybody was told: who, over what, in which form. @param clean - makes others' words fit for a terminal */
export function renderLearnt (learnt: readonly LearntBy[], more: number, clean: (text: string) => string): string[] {
  const told = learnt.filter(({ state }) => state !== 'not-sent')

  if (told.length === 0 && more === 0) {
    return []
  }
  const ways = Map.groupBy(told, ({ transport, form }) => `over ${transport}, ${form}`)
  const groups = [...ways].map(([way, all]) => {
    const names = [...new Set(all.map(({ observer }) => observer))]
    const who = names.length > NAMED ? `${names.length} parties` : names.map(clean).join(', ')
    const doubts = all.filter(({ state }) => state === 'unknown').length
    return `${who} (${clean(way)}${all.some(({ audience }) => audience === 'unbounded') ? ', and whomever they ask' : ''}${doubts === 0 ? '' : `, ${doubts} uncertain`})`
  })
  return [`learnt by: ${groups.join('; ')}${more > 0 ? `; and ${more} more` : ''}`]
}
