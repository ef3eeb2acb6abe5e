/**
 * How long a provider may send us away. Asking for silence hurts only the one who
 * asks, so its word is kept; ten minutes is where a slip (a day in seconds, a clock
 * in another zone) would begin to cost us a provider for longer than its trouble lasts.
 * Back-off grows by itself for one that stays overloaded.
 */
export const DEFAULT_MAX_RETRY_AFTER = 600_000

// RFC 9110 5.6.7: IMF-fixdate, and the two obsolete forms recipients must accept
const HTTP_DATE = /^(?:\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT|\w{6,9}, \d{2}-\w{3}-\d{2} \d{2}:\d{2}:\d{2} GMT|\w{3} \w{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/

/**
 * Milliseconds until the provider wants to be asked again, or undefined when it
 * did not say so in a form that HTTP knows.
 *
 * @param value the Retry-After header: seconds, or an HTTP date
 * @param wall wall-clock milliseconds now
 * @param max upper bound in ms
 */
export function retryAfter (value: string | undefined, wall: number, max: number = DEFAULT_MAX_RETRY_AFTER): number | undefined {
  const text = value?.trim()

  if (text === undefined) {
    return undefined
  }

  if (/^\d+$/.test(text)) {
    return Math.min(Number(text) * 1000, max)
  }

  if (!HTTP_DATE.test(text)) {
    return undefined
  }

  // the asctime form carries no zone, and means GMT like the others
  const at = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)

  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - wall, 0), max)
}
