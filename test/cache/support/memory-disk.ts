import { COPY_BELOW } from '../../../src/cache/disk/record.ts'
import { DamagedBlockError } from '../../../src/interface/errors.ts'
import type { BegunWrite, DiskTier, DiskUsage } from '../../../src/cache/disk/disk-tier.ts'
import type { CacheKind } from '../../../src/interface/cache.ts'

interface Row {
  readonly key: string
  readonly multihash: Uint8Array
  bytes: Uint8Array
  kind: CacheKind
  checked: boolean
  promised: number
  /** What was written is not what was to be written: its array was filled again meanwhile */
  readonly isDamaged: boolean
}

const RECORD = 48

/** A disk tier without a disk, to put the cache above it into any situation: what fails, hangs or is damaged is told to it */
export class MemoryDisk implements DiskTier {
  readonly rows: Array<Row | undefined> = []
  readonly #byKey = new Map<string, number>()
  readonly #notes = new Map<string, Uint8Array>()
  readonly writes: string[] = []
  reads = 0
  /** Whether it takes writes in the turn in which they are asked for */
  isPrompt = false
  /** Whether the system has what is read in memory */
  isInMemory = false
  /** Whether it takes blocks of which nobody knows yet whether they are right */
  isEager = false
  /** How many of those it took, and how many of them were wrong */
  begun = 0
  dropped = 0
  /** Thrown by whatever writes */
  writeFault?: Error
  readFault?: Error
  /** Thrown by what writes down that something is gone */
  removeFault?: Error
  /** Whether something is gone that was not written down */
  owes = false
  /** What writes and reads wait for */
  writeGate?: Promise<void>
  readGate?: Promise<void>
  garbage = 0
  closed = false

  async open (): ReturnType<DiskTier['open']> {
    return { blocks: this.#byKey.size, authored: 0, repairs: [] }
  }

  async close (): Promise<void> {
    this.closed = true
  }

  find (multihash: Uint8Array): number {
    return this.#byKey.get(keyOf(multihash)) ?? -1
  }

  * slots (): Generator<number> {
    for (const slot of [...this.#byKey.values()]) {
      if (this.rows[slot] != null) {
        yield slot
      }
    }
  }

  hash (slot: number): number {
    return this.hashOf(this.#row(slot).multihash)
  }

  hashOf (multihash: Uint8Array): number {
    return new DataView(multihash.buffer, multihash.byteOffset).getUint32(multihash.byteLength - 4)
  }

  kind (slot: number): CacheKind {
    return this.#row(slot).kind
  }

  size (slot: number): number {
    return this.#row(slot).bytes.byteLength
  }

  cost (slot: number): number {
    return this.costOf(this.size(slot))
  }

  costOf (size: number): number {
    return size + RECORD
  }

  checked (slot: number): boolean {
    return this.#row(slot).checked
  }

  setChecked (slot: number): void {
    this.#row(slot).checked = true
  }

  promisedUntil (slot: number): number {
    return this.#row(slot).promised
  }

  promise (slot: number, until: number): void {
    const row = this.#row(slot)
    row.promised = Math.max(row.promised, until)
  }

  multihash (slot: number): Uint8Array | Promise<Uint8Array> {
    return this.#row(slot).multihash
  }

  readNow (slot: number): Uint8Array | undefined {
    return this.isInMemory && !this.#row(slot).isDamaged ? new Uint8Array(this.#row(slot).bytes) : undefined
  }

  async read (slot: number): Promise<Uint8Array> {
    this.reads++
    const { bytes, isDamaged } = this.#row(slot)
    await this.readGate
    if (this.readFault != null) {
      throw this.readFault
    }
    if (isDamaged) {
      throw new DamagedBlockError('the record is damaged')
    }
    return new Uint8Array(bytes)
  }

  async write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number> {
    const key = keyOf(multihash)
    this.writes.push(key)
    if (this.#byKey.has(key)) {
      throw new Error('two writes of one block')
    }
    const asked = new Uint8Array(bytes)
    await this.writeGate
    if (this.writeFault != null) {
      throw this.writeFault
    }
    const written = asked.byteLength < COPY_BELOW ? asked : bytes
    return this.#insert(key, multihash, written, kind, Buffer.compare(written, asked) !== 0)
  }

  begin (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): BegunWrite | undefined {
    if (!this.isEager || this.#byKey.has(keyOf(multihash))) {
      return undefined
    }
    this.begun++
    return {
      finish: async () => this.write(multihash, bytes, kind),
      drop: async () => {
        await this.writeGate
        this.dropped++
      }
    }
  }

  writeNow (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): number {
    const key = keyOf(multihash)

    if (!this.isPrompt || this.writeGate != null || this.writeFault != null || this.#byKey.has(key)) {
      return -1
    }
    this.writes.push(key)
    return this.#insert(key, multihash, bytes, kind)
  }

  gather (): boolean {
    return false
  }

  flush (): void {}

  onGathered (): void {}

  #insert (key: string, multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind, isDamaged = false): number {
    const free = this.rows.indexOf(undefined)
    const slot = free === -1 ? this.rows.length : free
    this.rows[slot] = { key, multihash: new Uint8Array(multihash), bytes: new Uint8Array(bytes), kind, checked: false, promised: -Infinity, isDamaged }
    this.#byKey.set(key, slot)
    return slot
  }

  async setKind (slot: number, kind: CacheKind): Promise<void> {
    if (this.writeFault != null) {
      throw this.writeFault
    }
    this.#row(slot).kind = kind
  }

  async remove (slots: readonly number[]): Promise<void> {
    for (const slot of slots) {
      this.#byKey.delete(this.#row(slot).key)
      this.rows[slot] = undefined
    }
    this.owes = true
    await this.settle()
  }

  async settle (): Promise<void> {
    if (this.owes && this.removeFault != null) {
      throw this.removeFault
    }
    this.owes = false
  }

  async quarantine (slot: number, why: string): Promise<void> {
    if (why === '') {
      throw new DamagedBlockError('no reason')
    }
    await this.remove([slot])
  }

  async compact (): Promise<{ freedBytes: number }> {
    const freedBytes = this.garbage
    this.garbage = 0
    return { freedBytes }
  }

  usage (): DiskUsage {
    const rows = this.rows.filter(row => row != null)
    const live = rows.reduce((sum, { bytes }) => sum + this.costOf(bytes.byteLength), 0)
    const authored = rows.filter(({ kind }) => kind === 'authored')
    const size = (of: readonly Row[]): number => of.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
    return { files: live + this.garbage, headroom: 0, live, blocks: rows.length, authoredBlocks: authored.length, authoredBytes: size(authored), fetchedBytes: size(rows) - size(authored) }
  }

  async saveNote (name: string, value: Uint8Array): Promise<void> {
    if (this.writeFault != null) {
      throw this.writeFault
    }
    this.#notes.set(name, value)
  }

  async loadNote (name: string): Promise<Uint8Array | undefined> {
    return this.#notes.get(name)
  }

  #row (slot: number): Row {
    const row = this.rows[slot]
    if (row == null) {
      throw new Error(`nothing is at slot ${slot}`)
    }
    return row
  }
}

function keyOf (multihash: Uint8Array): string {
  return Buffer.from(multihash).toString('latin1')
}
