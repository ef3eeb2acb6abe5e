/** The longest that a timer can be */
const LONG = 2_147_483_647

/**
 * Keeps the process from ending while somebody waits for time alone to pass: a clock's own timers do not, and a
 * program whose last await is on one would end in the middle of it.
 *
 * @returns lets it end
 */
export function keepAlive (): () => void {
  const timer = setInterval(() => {}, LONG)
  return () => { clearInterval(timer) }
}
