import { OBSERVER_CLASSES } from '../../interface/privacy.ts'
import type { DisclosureEntry, DisclosureState } from '../../interface/disclosure.ts'
import type { ExposureCounts } from '../../interface/ledger.ts'
import type { ObserverClass } from '../../interface/privacy.ts'

/** Closed sets, fit to be labels; what is in none of them is counted as the last one */
const FORMS = ['cid', 'multihash', 'prefix', 'hostname', 'peer', 'none'] as const
const TRANSPORTS = ['http', 'https', 'bitswap', 'sibling', 'dht', 'delegated', 'dns', 'dial', 'redis', 'rediss', 'foreign', 'other'] as const
const PURPOSES = ['read', 'prefetch', 'announce', 'probe', 'shadow', 'serve', 'join', 'other'] as const
const STATES = ['intended', 'sent', 'not-sent', 'unknown'] as const

type Counted = Record<DisclosureState, number> & { cancelled: number }

/** One line of the table, as it is kept in a file */
export interface CountRow extends Counted {
  readonly observerClass: string
  readonly form: string
  readonly transport: string
  readonly purpose: string
}

/** Cells there can be */
export const CELLS = OBSERVER_CLASSES.length * FORMS.length * TRANSPORTS.length * PURPOSES.length

function indices (names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, i) => [name, i]))
}

const classIndex = indices(OBSERVER_CLASSES)
const formIndex = indices(FORMS)
const transportIndex = indices(TRANSPORTS)
const purposeIndex = indices(PURPOSES)

/** Everything that was ever disclosed, as numbers: one small cell for each combination that occurs */
export class ExposureCounters {
  readonly #cells = new Map<number, Counted>()

  /** Where an entry is counted */
  cellOf (entry: Pick<DisclosureEntry, 'form' | 'transport' | 'purpose'>, observerClass: ObserverClass): number {
    return cell(observerClass, entry.form, entry.transport, entry.purpose)
  }

  intended (cell: number): void {
    this.#at(cell).intended++
  }

  settled (cell: number, state: Exclude<DisclosureState, 'intended'>): void {
    const counted = this.#at(cell)
    counted.intended--
    counted[state]++
  }

  /** Of what is still open nobody will say any more what came of it */
  abandon (): void {
    for (const counted of this.#cells.values()) {
      counted.unknown += counted.intended
      counted.intended = 0
    }
  }

  cancelled (cell: number): void {
    this.#at(cell).cancelled++
  }

  /** Adds what was counted before; what was still open then, nobody knows any more */
  restore ({ observerClass, form, transport, purpose, ...counts }: CountRow): void {
    const counted = this.#at(cell(observerClass, form, transport, purpose))
    counted.sent += counts.sent
    counted['not-sent'] += counts['not-sent']
    counted.unknown += counts.unknown + counts.intended
    counted.cancelled += counts.cancelled
  }

  rows (): CountRow[] {
    return [...this.#cells].map(([key, counted]) => ({ ...labels(key), ...counted }))
  }

  snapshot (): ExposureCounts {
    const states = zeroes(STATES)
    const byClass = Object.fromEntries(OBSERVER_CLASSES.map(name => [name, { ...zeroes(STATES), cancelled: 0 }])) as Record<ObserverClass, Counted>
    const byForm = zeroes(FORMS)
    const byTransport = zeroes(TRANSPORTS)
    const byPurpose = zeroes(PURPOSES)
    let total = 0
    let cancelled = 0

    for (const { observerClass, form, transport, purpose, ...counted } of this.rows()) {
      const sum = STATES.reduce((sum, state) => sum + counted[state], 0)
      const ofClass = byClass[observerClass as ObserverClass]
      STATES.forEach(state => {
        states[state] += counted[state]
        ofClass[state] += counted[state]
      })
      ofClass.cancelled += counted.cancelled
      cancelled += counted.cancelled
      total += sum
      byForm[form as keyof typeof byForm] += sum
      byTransport[transport as keyof typeof byTransport] += sum
      byPurpose[purpose as keyof typeof byPurpose] += sum
    }
    return { total, states, cancelled, byClass, byForm, byTransport, byPurpose }
  }

  #at (cell: number): Counted {
    let counted = this.#cells.get(cell)
    if (counted == null) {
      counted = { intended: 0, sent: 0, 'not-sent': 0, unknown: 0, cancelled: 0 }
      this.#cells.set(cell, counted)
    }
    return counted
  }
}

function cell (observerClass: string, form: string, transport: string, purpose: string): number {
  const last = <T>(names: readonly T[]): number => names.length - 1
  let key = classIndex.get(observerClass) ?? last(OBSERVER_CLASSES)
  key = key * FORMS.length + (formIndex.get(form) ?? last(FORMS))
  key = key * TRANSPORTS.length + (transportIndex.get(transport) ?? last(TRANSPORTS))
  return key * PURPOSES.length + (purposeIndex.get(purpose) ?? last(PURPOSES))
}

function labels (cell: number): { observerClass: string, form: string, transport: string, purpose: string } {
  const purpose = PURPOSES[cell % PURPOSES.length] ?? 'other'
  let rest = Math.floor(cell / PURPOSES.length)
  const transport = TRANSPORTS[rest % TRANSPORTS.length] ?? 'other'
  rest = Math.floor(rest / TRANSPORTS.length)
  return { observerClass: OBSERVER_CLASSES[Math.floor(rest / FORMS.length)] ?? 'foreign', form: FORMS[rest % FORMS.length] ?? 'none', transport, purpose }
}

function zeroes<K extends string> (names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map(name => [name, 0])) as Record<K, number>
}
