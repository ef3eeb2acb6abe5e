/** As errors are called: what has a space is a sentence, and what is longer may be the id of a peer */
const NAME = /^\w{1,40}$/

/** What to call an error in a log that shall hold nothing of its message. Never throws: foreign code throws anything, and calls it anything. */
export function errorName (err: unknown): string {
  try {
    const { name } = err as { readonly name?: unknown }
    return typeof name === 'string' && NAME.test(name) ? name : 'Error'
  } catch {
    // null, undefined, or a name that cannot be read
    return 'Error'
  }
}
