import { isKnownName, isKnownWord } from './known-words.ts'

const MULTIADDR = String.raw`/(?:ip4|ip6|ip6zone|ipcidr|dns|dns4|dns6|dnsaddr|unix|onion3?|garlic32|garlic64|p2p)/[^\s"'<>,;)]+`
const URL_TEXT = String.raw`\b[a-z][a-z0-9+.-]{0,20}://[^\s"'<>]+`
const OBSERVER = String.raw`\b(?:p2p|https?|router|broker|party):[^\s"'<>,;)]+`
const IPV4 = String.raw`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b`
const IPV6 = String.raw`(?<![\w:])(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){4,7}|(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?)(?![\w:])`
/** Peer ids, CIDs, hashes and tokens: long, and never a word of ours, which have no digits */
const LONG = String.raw`(?<!\w)(?=[A-Za-z+_=-]{0,200}\d)[A-Za-z0-9+_=-]{24,}`
/** Those that may have no digit, be cut, or have a / in them: base58, base32, base36 and base64 in the forms that peer ids and CIDs have */
const FORMS = String.raw`(?:12D3KooW|16Uiu2HA)[1-9A-HJ-NP-Za-km-z]{2,}|(?<!\w)(?:Qm[1-9A-HJ-NP-Za-km-z]{42,}|(?:ba[a-z]|BA[A-Z])[A-Za-z2-7]{40,}|[kK]\w{40,}|[zZ][1-9A-HJ-NP-Za-km-z]{40,}|[mMuU][A-Za-z0-9+/_-]{40,}={0,2})`

const IDENTIFIERS = new RegExp([MULTIADDR, URL_TEXT, OBSERVER, IPV6, IPV4, FORMS, LONG].join('|'), 'g')

const PEER_ID = /^(?:12D3KooW|16Uiu2HA|Qm[1-9A-HJ-NP-Za-km-z]{44}$|k51q)/
const CID_TEXT = /^(?:baf|bag|zb2|zdj|z[1-9A-HJ-NP-Za-km-z]{40}|f01|uA)/
const ADDRESS = new RegExp(`^(?:${MULTIADDR}|${IPV4}|${IPV6})$`)

/** What stands for itself in a sentence */
const TOKEN = /[^\s"'<>,;()[\]{}|\p{C}]+/gu
/** What an address or a provider's id is put together with, and what a sentence ends with */
const JOINT = /([:/=@!?]|\.$)/
/** Shorter ones with spaces in them are replaced where they stand alone only */
const MIN_INSIDE = 6
/** Identifiers looked for at once: thousands in one pattern take long to compile */
const AT_ONCE = 500
/** With more, whoever made the report up wants sentences to take long: they are shown word by word instead */
const MAX_ODD = 1_000
/** Longest list that is gone through word by word */
const MAX_WORDS = 64

/**
 * Names for those whom a report speaks of: the same identifier gets the same name, in the order in which they come
 * up, so that a name says nothing outside its report.
 */
export class ReportNames {
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  /** Those that are no tokens of a sentence: with spaces or quotes, which only somebody odd has */
  readonly #odd = new Set<string>()
  #patterns?: readonly RegExp[]

  /** The name of something that is an identifier whatever it looks like */
  of (identifier: string): string {
    if (identifier !== '' && identifier.match(TOKEN)?.[0] !== identifier) {
      this.#odd.add(identifier)
      this.#patterns = undefined
    }
    return this.#name(identifier)
  }

  /** A sentence of ours: identifiers in it are replaced, by what they are known as or by what they look like */
  text (text: string): string {
    if (this.#odd.size > MAX_ODD) {
      return this.words(text)
    }
    this.#patterns ??= patternsOf([...this.#odd])
    return this.#patterns
      .reduce((text, pattern) => text.replace(pattern, identifier => this.#name(identifier)), text)
      .replace(TOKEN, token => this.#known(token) ?? token.split(JOINT).map(part => this.#known(part) ?? part).join(''))
      .replace(IDENTIFIERS, identifier => isKnownWord(identifier) ? identifier : this.#name(identifier))
  }

  #known (token: string): string | undefined {
    return token === '' || isKnownWord(token) ? undefined : this.#names.get(token.replace(/^p2p:/, ''))
  }

  /** What others may have written: only words of closed sets stay as they are */
  words (text: string): string {
    if (isKnownName(text)) {
      return text
    }
    const parts = text.split(/(, ?| )/, 2 * MAX_WORDS)
    return parts.length === 2 * MAX_WORDS || !parts.some((part, i) => i % 2 === 0 && isKnownName(part))
      ? this.#name(text)
      : parts.map((part, i) => i % 2 === 1 || part === '' || isKnownName(part) ? part : this.#name(part)).join('')
  }

  #name (identifier: string): string {
    const key = identifier.replace(/^p2p:/, '')
    let name = this.#names.get(key)

    if (name == null) {
      const kind = kindOf(identifier)
      const count = (this.#counts.get(kind) ?? 0) + 1
      name = `${kind}-${count}`
      this.#counts.set(kind, count)
      this.#names.set(key, name)
    }
    return name
  }
}

/** Match the identifiers that came up, longest first */
function patternsOf (identifiers: readonly string[]): RegExp[] {
  const patterns = identifiers
    .toSorted((a, b) => b.length - a.length)
    .map(text => text.length < MIN_INSIDE ? `(?<![\\w-])${escaped(text)}(?![\\w-])` : escaped(text))
  return Array.from({ length: Math.ceil(patterns.length / AT_ONCE) }, (_, i) => new RegExp(patterns.slice(i * AT_ONCE, (i + 1) * AT_ONCE).join('|'), 'g'))
}

function escaped (text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function kindOf (identifier: string): string {
  const bare = identifier.replace(/^p2p:/, '')

  if (PEER_ID.test(bare) || bare !== identifier) {
    return 'peer'
  }
  if (ADDRESS.test(bare)) {
    return 'address'
  }
  if (/^https?:/.test(bare) || /^[a-z][a-z0-9+.-]*:\/\//.test(bare)) {
    return 'host'
  }
  const [, role] = /^(router|broker|party):/.exec(bare) ?? []
  return role ?? (bare.startsWith('/') ? 'protocol' : CID_TEXT.test(bare) && bare.length >= 24 ? 'cid' : /^[A-Za-z0-9+_=-]{24,}$/.test(bare) ? 'id' : 'name')
}
