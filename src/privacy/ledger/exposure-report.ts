import type { ReadableLedger, UnaccountedSpan } from '../../interface/ledger.ts'
import type { DisclosureState } from '../../interface/disclosure.ts'
import type { Exposure, ObserverClass } from '../../interface/privacy.ts'
import type { CID } from 'multiformats/cid'

/**
 * What came of telling them, as far as it is known:
 *
 * - `delivered`: the block came from them; `lost`: they were asked, and it came from elsewhere or not at all
 * - `led-there`: a look-up that named who delivered; `led-nowhere`: one that did not
 * - `asked`: told, and nothing else is known: of an earlier read, or one without a story
 * - `announced`, `served`, `measured`: told on purpose, without a read
 * - `connected`: nothing of the block was told, but what it takes to reach somebody who was
 * - `spared`: the write never happened
 */
export type Need = 'delivered' | 'lost' | 'led-there' | 'led-nowhere' | 'asked' | 'announced' | 'served' | 'measured' | 'connected' | 'spared'

export interface ReportedExposure extends Exposure {
  readonly need: Need
  /** In words */
  readonly why: string
}

/** Who learnt of one block; plain JSON */
export interface ExposureReport {
  readonly cid: string
  /** What came of the last retrieval, if there was one */
  readonly result?: string
  /** Oldest first */
  readonly exposures: readonly ReportedExposure[]
  /** Those who know of the block or may, by name and by kind */
  readonly parties: number
  readonly byClass: Readonly<Partial<Record<ObserverClass, number>>>
  readonly states: Readonly<Record<DisclosureState, number>>
  readonly cancelled: number
  /** Disclosures of the last retrieval that are recorded as numbers only: not to somebody on the allow-list, or too many */
  readonly unnamed: number
  /** When requests went past the ledger: of these nobody knows */
  readonly unaccounted: readonly UnaccountedSpan[]
  /** What is known as numbers only: disclosures of earlier runs, about whatever block */
  readonly earlier?: { readonly since: number, readonly disclosures: number }
}

/** As much of a story as it takes to say what was needed */
export interface StoryOfRead {
  readonly result?: string
  readonly request?: string
  readonly attempts?: ReadonlyArray<{ readonly provider: string, readonly outcome?: string, readonly reason?: string }>
  readonly found?: ReadonlyArray<{ readonly provider: string, readonly source: string }>
  readonly learnt?: ReadonlyArray<{ readonly request: string, readonly state: string }>
  readonly learntMore?: number
}

/**
 * Which parties learnt of a block, in which form, over what, when, and whether
 * that was needed: what the ledger has, told by the story of the last retrieval.
 */
export function exposureReport (cid: CID, ledger: ReadableLedger, story: StoryOfRead = {}): ExposureReport {
  const about = ledger.about(cid)
  const { learnt = [] } = story
  // a block that came in the stream of a whole DAG: what was told was about its root
  const streams = [...new Set(learnt.map(({ request }) => request))].filter(request => request !== story.request).flatMap(request => ledger.entries({ request }))
  const all = [...about, ...streams.filter(({ subject }) => !about.some(exposure => exposure.subject === subject))].sort((a, b) => a.at - b.at)
  const requests = new Set(learnt.map(({ request }) => request))
  const said = ({ state }: { readonly state: string }): boolean => state !== 'not-sent'
  const named = all.filter(exposure => said(exposure) && requests.has(exposure.request)).length
  const told = all.filter(exposure => said(exposure) && tellsOfBlock(exposure.form))
  const parties = new Map(told.map(({ observer, observerClass }) => [observer, observerClass]))
  const { earlier, since } = ledger.stats()

  return {
    cid: cid.toString(),
    ...story.result == null ? {} : { result: story.result },
    exposures: all.map(exposure => ({ ...exposure, ...needOf(exposure, story) })),
    parties: parties.size,
    byClass: tally([...parties.values()]),
    states: { intended: 0, sent: 0, 'not-sent': 0, unknown: 0, ...tally(all.map(({ state }) => state)) },
    cancelled: all.filter(({ cancelled }) => cancelled).length,
    unnamed: Math.max(0, learnt.filter(said).length - named) + (story.learntMore ?? 0),
    unaccounted: ledger.unaccounted(),
    ...earlier === 0 ? {} : { earlier: { since, disclosures: earlier } }
  }
}

/** Of the others the block cannot be told, or only by whoever knows what a host or peer has */
function tellsOfBlock (form: Exposure['form']): boolean {
  return form === 'cid' || form === 'multihash' || form === 'prefix'
}

const WAYS: Readonly<Partial<Record<Exposure['form'], string>>> = {
  none: 'a connection',
  hostname: 'where a host is',
  peer: 'where a provider is'
}

function needOf (exposure: Exposure, story: StoryOfRead): { need: Need, why: string } {
  const { observer, observerClass, purpose, state, request, form } = exposure

  if (state === 'not-sent') {
    return { need: 'spared', why: 'nothing was sent' }
  }
  switch (purpose) {
    case 'announce': return { need: 'announced', why: 'announced, to be found by others' }
    case 'serve': return { need: 'served', why: 'they had asked this node' }
    case 'shadow': return { need: 'measured', why: 'a measurement beside the read' }
    case 'probe': return { need: 'measured', why: 'a look whether they can be reached' }
  }
  if (!tellsOfBlock(form)) {
    return { need: 'connected', why: WAYS[form] ?? 'a way to somebody who was asked' }
  }
  const isStory = request === story.request || story.learnt?.some(learnt => learnt.request === request) === true

  if (!isStory) {
    return observerClass === 'shared-cache'
      ? { need: story.result === 'cached' ? 'delivered' : 'asked', why: story.result === 'cached' ? 'it had the block, or was given it' : 'asked before anybody outside' }
      : { need: 'asked', why: 'another read; its story is not kept' }
  }
  const attempts = story.attempts?.filter(({ provider }) => provider === observer) ?? []
  const winner = story.attempts?.find(({ outcome }) => outcome === 'delivered')?.provider

  if (attempts.some(({ outcome }) => outcome === 'delivered') || (request !== story.request && story.result === 'delivered')) {
    return { need: 'delivered', why: request === story.request ? 'it delivered' : 'it delivered, in a stream of the whole' }
  }
  const last = attempts.at(-1)

  if (last != null) {
    return { need: 'lost', why: last.outcome == null ? 'asked, and still at it' : last.outcome === 'cancelled' ? 'asked, and somebody else was faster' : `asked, and lost: ${last.outcome}` }
  }
  if (observerClass === 'peer' || observerClass === 'gateway' || observerClass === 'sibling') {
    return winner == null ? { need: 'asked', why: 'asked whether it has the block' } : { need: 'lost', why: 'asked whether it has the block; it came from elsewhere' }
  }
  const source = story.found?.find(({ provider }) => provider === winner)?.source
  const isSource = source != null && (observerClass === 'dht' ? source === 'dht' : observer === `router:${source}`)
  return isSource ? { need: 'led-there', why: 'a look-up that named who delivered' } : { need: 'led-nowhere', why: winner == null ? 'a look-up, and nobody delivered' : 'a look-up that did not name who delivered' }
}

function tally<K extends string> (names: readonly K[]): Partial<Record<K, number>> {
  return Object.fromEntries([...Map.groupBy(names, name => name)].map(([name, all]) => [name, all.length])) as Partial<Record<K, number>>
}
