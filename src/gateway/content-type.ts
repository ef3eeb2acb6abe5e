const UTF8 = '; charset=utf-8'

/** Names that a browser must know to render or play what it is given; the rest is sniffed */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  html: `text/html${UTF8}`,
  htm: `text/html${UTF8}`,
  xhtml: `application/xhtml+xml${UTF8}`,
  css: `text/css${UTF8}`,
  js: `text/javascript${UTF8}`,
  mjs: `text/javascript${UTF8}`,
  json: 'application/json',
  map: 'application/json',
  webmanifest: 'application/manifest+json',
  xml: `application/xml${UTF8}`,
  txt: `text/plain${UTF8}`,
  md: `text/markdown${UTF8}`,
  csv: `text/csv${UTF8}`,
  svg: `image/svg+xml${UTF8}`,
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  ico: 'image/x-icon',
  bmp: 'image/bmp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  otf: 'font/otf',
  mp4: 'video/mp4',
  m4v: 'video/mp4',
  webm: 'video/webm',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  m3u8: 'application/vnd.apple.mpegurl',
  ts: 'video/mp2t',
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  ogg: 'audio/ogg',
  oga: 'audio/ogg',
  opus: 'audio/ogg',
  wav: 'audio/wav',
  flac: 'audio/flac',
  pdf: 'application/pdf',
  epub: 'application/epub+zip',
  wasm: 'application/wasm',
  zip: 'application/zip',
  gz: 'application/gzip',
  tar: 'application/x-tar',
  car: 'application/vnd.ipld.car'
}

/** First bytes that are unmistakable, by offset */
const BY_SIGNATURE: ReadonlyArray<readonly [offset: number, bytes: string, type: string]> = [
  [0, '\x89PNG\r\n\x1a\n', 'image/png'],
  [0, '\xff\xd8\xff', 'image/jpeg'],
  [0, 'GIF87a', 'image/gif'],
  [0, 'GIF89a', 'image/gif'],
  [8, 'WEBP', 'image/webp'],
  [4, 'ftypavif', 'image/avif'],
  [4, 'ftypqt', 'video/quicktime'],
  [4, 'ftyp', 'video/mp4'],
  [0, '\x1a\x45\xdf\xa3', 'video/webm'],
  [0, 'OggS', 'audio/ogg'],
  [0, 'ID3', 'audio/mpeg'],
  [0, 'fLaC', 'audio/flac'],
  [8, 'WAVE', 'audio/wav'],
  [0, '%PDF-', 'application/pdf'],
  [0, '\0asm', 'application/wasm'],
  [0, '\x1f\x8b', 'application/gzip'],
  [0, 'PK\x03\x04', 'application/zip'],
  [0, 'wOF2', 'font/woff2']
]

/** How many first bytes a guess may look at */
export const SNIFF_LENGTH = 512

/** The type that a file name promises */
export function typeOfName (name: string | undefined): string | undefined {
  const extension = name == null ? undefined : /\.([a-z0-9]{1,12})$/i.exec(name)?.[1]?.toLowerCase()
  return extension != null && Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined
}

/** The type that the first bytes suggest */
export function typeOfBytes (bytes: Uint8Array): string {
  const start = bytes.subarray(0, SNIFF_LENGTH)
  // one character per byte: comparing with the signatures above
  const latin = new TextDecoder('latin1').decode(start)
  const signature = BY_SIGNATURE.find(([offset, magic]) => matches(start, offset, magic))

  if (signature != null) {
    return signature[2]
  }
  if (!isText(start, bytes.length > SNIFF_LENGTH)) {
    return 'application/octet-stream'
  }
  if (/^\s*(?:<!doctype html|<html|<head|<body)[\s>]/i.test(latin)) {
    return `text/html${UTF8}`
  }
  return /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<svg[\s>]/i.test(latin) ? `image/svg+xml${UTF8}` : `text/plain${UTF8}`
}

function matches (bytes: Uint8Array, offset: number, magic: string): boolean {
  for (let i = 0; i < magic.length; i++) {
    if (bytes[offset + i] !== magic.charCodeAt(i)) {
      return false
    }
  }
  return true
}

function isText (bytes: Uint8Array, cut: boolean): boolean {
  // tab, line feed, form feed, carriage return and escape occur in text; the other controls do not
  if (bytes.some(byte => byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27)) {
    return false
  }
  try {
    // `stream`: a character cut in half at the end is no fault
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut })
    return true
  } catch (err) {
    if (err instanceof TypeError) {
      return false
    }
    throw err
  }
}
