import { CELLS } from './exposure-counters.ts'

/** What a mark says beside the cell and the number: in which run it was made (0: it is settled), and whether a CANCEL is counted */
export const RUNS = 1_024
export const TAGS = 2 * RUNS

/**
 * Numbers that a mark tells apart. With all that there are it would be no whole number any more after 848 million
 * disclosures, and what comes then would be settled as something else, or never. Nothing stays open while so many others
 * come.
 */
export const NUMBERS = 2 ** 29

/** @param number - of an entry; 0: it is only counted */
export function markOf (number: number, cell: number, tag: number): number {
  return ((number === 0 ? 0 : (number - 1) % NUMBERS + 1) * CELLS + cell) * TAGS + tag
}

/** @param last - the number that was given out last */
export function numberIn (mark: number, last: number): number {
  const short = Math.floor(mark / TAGS / CELLS)
  return short === 0 ? 0 : last - ((last - short) % NUMBERS + NUMBERS) % NUMBERS
}
