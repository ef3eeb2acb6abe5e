/** The same each time, so that what fails was caused by a change. An odd and an even one: in either each mode has another resolver. */
const FIXED = [1, 962_914]

/** Seeds of nodes among spies: those named, separated by commas, as they were printed where something was found */
export function seedsOf (text: string | undefined): readonly number[] {
  if (text == null || text.trim() === '') {
    return FIXED
  }
  return text.split(',').map(word => {
    const seed = Number(word)

    if (word.trim() === '' || !Number.isSafeInteger(seed) || seed < 0) {
      throw new TypeError(`PORTOLAN_SEED must be whole numbers separated by commas, and has ${JSON.stringify(word)}`)
    }
    return seed
  })
}
