/** Milliseconds that one reading serves: a scrape reads every metric within them, and no two scrapes are so close */
const AGE = 250

/** One reading for all metrics of a scrape: it costs once, and they agree with each other */
export function oneReading<T> (now: () => number, read: () => T): () => T {
  let reading: { readonly value: T, readonly until: number } | undefined

  return () => {
    const at = now()

    if (reading == null || at >= reading.until) {
      reading = { value: read(), until: at + AGE }
    }
    return reading.value
  }
}
