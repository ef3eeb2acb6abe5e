import type { Provider, ProviderHint } from '../interface/provider.ts'

/** A hint that was read already: whoever gets it as a hint need not read it again */
export class ParsedHint {
  readonly provider: Provider
  readonly #hint: ProviderHint

  constructor (hint: ProviderHint, provider: Provider) {
    this.#hint = hint
    this.provider = provider
  }

  toString (): string {
    return String(this.#hint)
  }
}
