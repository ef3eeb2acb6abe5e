/** What a client wants of a CID */
export type Format = 'unixfs' | 'raw' | { readonly unsupported: string }

const RAW = 'application/vnd.ipld.raw'
const EVERYTHING = /^(?:\*\/\*|text\/\*|text\/html|application\/xhtml\+xml|application\/\*|image\/\*|video\/\*|audio\/\*)$/

/** Formats of other gateways that this one does not make: asked for alone, the answer is 406 and not a file they did not want */
const OTHER = new Set([
  'application/vnd.ipld.car', 'application/x-tar', 'application/vnd.ipld.dag-json', 'application/vnd.ipld.dag-cbor',
  'application/cbor', 'application/vnd.ipfs.ipns-record'
])

/** `?format=` wins over Accept: it is what a user wrote, the header is what a program added */
export function chooseFormat (query: URLSearchParams, accept: string | undefined): Format {
  const format = query.get('format')

  if (format != null) {
    return format === 'raw' ? 'raw' : { unsupported: format }
  }
  const types = (accept ?? '').split(',')
    .filter(part => !/;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(part))
    .map(part => part.split(';')[0]?.trim().toLowerCase() ?? '')

  if (types.includes(RAW)) {
    return 'raw'
  }
  const other = types.find(type => OTHER.has(type))
  return other != null && !types.some(type => EVERYTHING.test(type)) ? { unsupported: other } : 'unixfs'
}
