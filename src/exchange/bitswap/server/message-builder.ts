import { ENTRY_OVERHEAD, MESSAGE_ROOM } from './limits.ts'
import type { Loaded, PresenceAnswer, ServedPeer } from './served-peer.ts'
import type { OutgoingMessage } from '../message.ts'

export interface ServedMessage extends OutgoingMessage {
  readonly blocks: NonNullable<OutgoingMessage['blocks']>
  readonly presences: readonly PresenceAnswer[]
  readonly pendingBytes: number
}

interface BuiltMessage {
  readonly message: ServedMessage
  /** What went into it and is no longer ready */
  readonly loaded: readonly Loaded[]
  readonly presences: readonly string[]
}

/**
 * The next message for a peer: what is ready, up to the size its messages have
 * come to, or one block when that is larger. Takes nothing out.
 */
export function buildMessage (peer: ServedPeer): BuiltMessage {
  const presences: string[] = []
  const answers: PresenceAnswer[] = []
  let room = MESSAGE_ROOM

  for (const [id, answer] of peer.presences) {
    const cost = answer.cid.bytes.byteLength + ENTRY_OVERHEAD

    if (cost > room) {
      break
    }

    room -= cost
    presences.push(id)
    answers.push(answer)
  }

  const loaded: Loaded[] = []
  let gathered = 0

  for (const entry of peer.loaded.values()) {
    const cost = entry.bytes.byteLength + ENTRY_OVERHEAD

    if (cost > room || (loaded.length > 0 && gathered + cost > peer.window)) {
      break
    }

    room -= cost
    gathered += cost
    loaded.push(entry)
  }

  return {
    message: {
      blocks: loaded.map(({ want, bytes }) => ({ cid: want.cid, bytes })),
      presences: answers,
      pendingBytes: pendingBytes(peer, loaded)
    },
    loaded,
    presences
  }
}

/** What is loaded is known; what is still to be read is taken to be as large as this peer's blocks usually are */
function pendingBytes (peer: ServedPeer, leaving: readonly Loaded[]): number {
  const loaded = leaving.reduce((rest, { bytes }) => rest - bytes.byteLength, peer.loadedBytes)
  const pending = Math.round(loaded + (peer.reads.size + peer.reading) * peer.meanBlock)
  // an int32 on the wire
  return Math.min(pending, 2 ** 31 - 1)
}
