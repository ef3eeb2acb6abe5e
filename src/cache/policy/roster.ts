/** In the order of their bits. The first is the one to start with. */
export const EXPERTS = ['recent', 'worthy', 'frequent', 'interval', 'learned'] as const
export type ExpertName = typeof EXPERTS[number]

export const COUNT: number = EXPERTS.length
export const VOTES: number = 1 << COUNT
const FREQUENT = 2
export const INTERVAL = 3
export const LEARNED = 4

/**
 * Where blocks differ in size, the one that learns stands for those two that do not look at it; where they do not, they hit more than it does.
 * Of a sample of the keys the one of short intervals cannot be followed: it knows keys, not a rule for them.
 */
export function canBeAsked (expert: number, { sized, sampled }: { sized: boolean, sampled: boolean }): boolean {
  switch (expert) {
    case FREQUENT: return !sized
    case INTERVAL: return !sized && !sampled
    case LEARNED: return sized
    default: return true
  }
}
