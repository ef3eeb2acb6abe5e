/** What one node wrote on streams of one protocol */
export interface Sent {
  messages: number
  bytes: number
}

export interface NodeTraffic {
  /** By protocol; what was written before a protocol was agreed is under `/multistream/1.0.0` */
  readonly sent: Readonly<Record<string, Readonly<Sent>>>
  /** Dials that this node began */
  readonly dials: number
}

/** One chunk that a node wrote on a stream, at the moment it was written: it may be lost on the way */
export interface ObservedMessage {
  readonly from: string
  readonly to: string
  readonly protocol: string
  readonly bytes: Uint8Array
}

const NEGOTIATION = '/multistream/1.0.0'

/** Counts what nodes write, and shows it to whoever watches */
export class Traffic {
  readonly #sent = new Map<string, Map<string, Sent>>()
  readonly #dials = new Map<string, number>()
  readonly #watchers = new Set<(message: ObservedMessage) => void>()

  dialled (node: string): void {
    this.#dials.set(node, (this.#dials.get(node) ?? 0) + 1)
  }

  wrote (from: string, to: string, agreed: string, bytes: Uint8Array): void {
    const protocol = agreed === '' ? NEGOTIATION : agreed
    const protocols = this.#sent.get(from) ?? new Map<string, Sent>()
    const sent = protocols.get(protocol) ?? { messages: 0, bytes: 0 }

    sent.messages++
    sent.bytes += bytes.byteLength
    protocols.set(protocol, sent)
    this.#sent.set(from, protocols)

    for (const watcher of this.#watchers) {
      watcher({ from, to, protocol, bytes })
    }
  }

  of (node: string): NodeTraffic {
    const sent = [...this.#sent.get(node) ?? []].map(([protocol, { messages, bytes }]) => [protocol, { messages, bytes }])
    return { sent: Object.fromEntries(sent) as Record<string, Sent>, dials: this.#dials.get(node) ?? 0 }
  }

  /** All nodes together */
  total (): NodeTraffic {
    const sent: Record<string, Sent> = {}

    for (const protocols of this.#sent.values()) {
      for (const [protocol, { messages, bytes }] of protocols) {
        const sum = sent[protocol] ??= { messages: 0, bytes: 0 }
        sum.messages += messages
        sum.bytes += bytes
      }
    }

    return { sent, dials: [...this.#dials.values()].reduce((sum, dials) => sum + dials, 0) }
  }

  watch (watcher: (message: ObservedMessage) => void): () => void {
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }
}
