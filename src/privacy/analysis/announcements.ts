import { CERTAIN, found, NO_LEDGER, NOTHING, NOTHING_LEFT, risk, tooLittle } from './finding.ts'
import { aboutContent } from './measures.ts'
import type { Finding } from './finding.ts'
import type { View } from './view.ts'

/** A record of a provider lives for 48 h with the twenty nearest servers, and is given to whoever asks */
const FIRST = 0.6

/**
 * What this node has was told to others, who tell everybody: 0.6 for the first block, towards 0.9 with the tenth, for a
 * list of what one has says more than one entry of it.
 */
export function announceExposure (view: View): Finding {
  if (!view.accounted) {
    return tooLittle('announce-exposure', 0, 1, NO_LEDGER)
  }

  const told = view.exposures.filter(({ purpose }) => purpose === 'announce')
  const subjects = new Set(told.flatMap(({ subject }) => subject ?? []))

  if (subjects.size === 0) {
    return aboutContent(view.exposures).length === 0 ? tooLittle('announce-exposure', 0, 1, NOTHING_LEFT) : NOTHING
  }

  const observers = new Set(told.map(({ observer }) => observer))

  return found(risk({
    id: 'announce-exposure',
    kind: 'announce-exposure',
    title: `${subjects.size === 1 ? 'One block was' : `${subjects.size} blocks were`} announced as being here: whoever asks is told`,
    score: FIRST + 0.3 * Math.min(1, Math.log10(subjects.size)),
    confidence: CERTAIN,
    n: told.length,
    observerClass: told[0]?.observerClass ?? 'dht',
    subjects: [...observers],
    evidence: { announced: subjects.size, messages: told.length, observers: observers.size, sure: told.filter(({ state }) => state === 'sent').length },
    recommendation: 'Announce nothing, or only what is meant to be public.',
    mitigation: 'exchange.announce=none'
  }))
}
