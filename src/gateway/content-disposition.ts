/** Longest file name sent: what common file systems accept */
const MAX_NAME = 255

/** Characters that end a name, leave its directory or hide what it is (control, separators, bidirectional overrides) */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A Content-Disposition header (RFC 6266): an ASCII name for the old, the exact one for the rest */
export function contentDisposition (type: 'inline' | 'attachment', filename: string): string {
  const name = filename.toWellFormed().replace(UNSAFE, '_').slice(0, MAX_NAME).toWellFormed()
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["%]/g, '_')
  const header = `${type}; filename="${ascii}"`

  return ascii === name ? header : `${header}; filename*=UTF-8''${encodeExtended(name)}`
}

/** RFC 8187: what encodeURIComponent leaves and the grammar does not allow is escaped too */
function encodeExtended (text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
