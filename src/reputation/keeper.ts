import { EntryKeeper } from '../keeper/entry-keeper.ts'
import type { ProviderBook } from './book.ts'
import type { KeeperComponents, KeptTable } from '../keeper/entry-keeper.ts'

export interface ReputationKeeperComponents extends Omit<KeeperComponents, 'table'> {
  book: Pick<ProviderBook, keyof KeptTable>
}

/** Versioned: a later format starts a new prefix and reads this one */
export const REPUTATION_PREFIX = '/portolan/reputation/v1'

/** Keeps the book in the node's datastore: one small entry per provider */
export class ReputationKeeper extends EntryKeeper {
  constructor ({ book, ...components }: ReputationKeeperComponents) {
    super({ ...components, table: book as KeptTable }, { prefix: REPUTATION_PREFIX, name: 'reputation' })
  }
}
