import { InvalidOptionError } from './errors.ts'
import { quote } from './quote.ts'
import { didYouMean, suggest } from './suggest.ts'

export interface OptionNamesInit {
  /** Options of options, like `webhook.allow`: told of where one of them is given a level too high. @default none */
  readonly deeper?: readonly string[]
  /** Taken too, and not told of. @default none */
  readonly untold?: readonly string[]
}

/**
 * Refuses a name that is no option, which would be taken for an option that was left out: an allow-list that is mistyped would let
 * everybody in. Throws an `InvalidOptionError` that names it, what there is, and what was probably meant.
 *
 * @param what - whose options they are, as the message begins
 */
export function checkOptionNames (what: string, init: unknown, names: readonly string[], { deeper = [], untold = [] }: OptionNamesInit = {}): void {
  if (init === null || typeof init !== 'object' || Array.isArray(init)) {
    throw new InvalidOptionError(`the options of ${what} must be an object, got ${kindOf(init)}`)
  }
  const unknown = Object.keys(init).find(name => !names.includes(name) && !untold.includes(name))

  if (unknown != null) {
    const meant = deeper.find(name => name.endsWith(`.${unknown}`))
    throw new InvalidOptionError(`${what} has no option ${quote(unknown)}, it has ${names.join(', ')}${meant == null ? didYouMean(unknown, names) : `; did you mean ${meant}?`}`)
  }
}

/**
 * Refuses options where the components belong, which come first: among them they would be lost without a word. Other names pass,
 * as whoever has more than is needed may hand all of it on.
 *
 * @param usage - how it is called with an option, for the message
 */
export function checkComponents (what: string, components: unknown, names: readonly string[], usage: (option: string) => string): void {
  if (components === null || typeof components !== 'object' || Array.isArray(components)) {
    throw new InvalidOptionError(`the components of ${what} must be an object, got ${kindOf(components)}`)
  }
  for (const name of Object.keys(components)) {
    const option = suggest(name, names)

    if (option != null) {
      throw new InvalidOptionError(`${quote(name)} is no component of ${what}${name === option ? '' : `, but like its option ${option}`}: options come after the components, as in ${usage(option)}`)
    }
  }
}

/** And not what it is: options hold tokens and URLs that are secrets */
function kindOf (value: unknown): string {
  if (value == null) {
    return String(value)
  }
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
