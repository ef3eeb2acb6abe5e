import { blockKey } from '../../block/key.ts'
import { BitswapMessageError } from './message-error.ts'
import { DONT_HAVE, ENTRY, PRESENCE, WANTLIST, WANT_HAVE } from './wire.ts'
import type { Presence, WantEntry } from './message.ts'
import type { Fields } from './wire.ts'

/**
 * Wants, presences and blocks of one message, each: Kubo and Helia keep at
 * most 1 024 wants a peer and answer them in messages far smaller than this
 */
export const MAX_ENTRIES = 4_096
/** The hash function that hashes nothing */
const IDENTITY = 0
/** Bytes of a want-list: four times what so many of the usual CIDs need, which is what is held of it until it is complete */
export const MAX_LIST_BYTES = 1_048_576

/** What a want or a presence takes in memory, CID and all, as measured */
export const ENTRY_BYTES = 300

/** What of a want-list is left to read, of all lists of one message */
export interface WantlistRead {
  readonly wants: WantEntry[]
  /** Entries so far, skipped ones among them */
  entries: number
  full: boolean
}

/** Adds the entries of a want-list, and whether it says of itself that it is the full one. Wants for what their CID holds already are left out. */
export function readWantlist (fields: Fields, read: WantlistRead, admits?: () => boolean): void {
  while (fields.next()) {
    if (fields.number === WANTLIST.entries) {
      if (++read.entries > MAX_ENTRIES) {
        throw tooMany('wants')
      }

      if (admits?.() === false) {
        fields.skip()
        continue
      }

      const entry = wantEntry(fields.nested())

      if (entry.cid.multihash.code !== IDENTITY) {
        read.wants.push(entry)
      }
    } else if (fields.number === WANTLIST.full) {
      read.full = fields.bool() || read.full
    } else {
      fields.skip()
    }
  }
}

export function readPresence (fields: Fields): Presence {
  let cid
  let type = 0

  while (fields.next()) {
    if (fields.number === PRESENCE.cid) {
      cid = fields.cid()
    } else if (fields.number === PRESENCE.type) {
      type = fields.int32()
    } else {
      fields.skip()
    }
  }

  if (cid == null) {
    throw new BitswapMessageError('cid', 'A presence says nothing about which block it is')
  }

  return { cid, key: blockKey(cid), type: type === DONT_HAVE ? 'dont-have' : 'have' }
}

function wantEntry (fields: Fields): WantEntry {
  let cid
  let priority = 0
  let cancel = false
  let type = 0
  let sendDontHave = false

  while (fields.next()) {
    switch (fields.number) {
      case ENTRY.block:
        cid = fields.cid()
        break
      case ENTRY.priority:
        priority = fields.int32()
        break
      case ENTRY.cancel:
        cancel = fields.bool()
        break
      case ENTRY.wantType:
        type = fields.int32()
        break
      case ENTRY.sendDontHave:
        sendDontHave = fields.bool()
        break
      default:
        fields.skip()
    }
  }

  if (cid == null) {
    throw new BitswapMessageError('cid', 'A want names no CID')
  }

  return { cid, key: blockKey(cid), type: type === WANT_HAVE ? 'have' : 'block', priority, cancel, sendDontHave }
}

export function tooMany (what: string): BitswapMessageError {
  return new BitswapMessageError('too-many', `A message has more than ${MAX_ENTRIES} ${what}`)
}
