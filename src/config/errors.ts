/** The store directory cannot be used: not ours, not a directory, corrupt, or full */
export class StoreError extends Error {
  static override name = 'StoreError'
  override name = 'StoreError'
}

/** Another process has the store open */
export class StoreLockedError extends Error {
  static override name = 'StoreLockedError'
  override name = 'StoreLockedError'
}

/** The identity key cannot be used; the message says what to do */
export class IdentityError extends Error {
  static override name = 'IdentityError'
  override name = 'IdentityError'
}

/** A server of a DHT keeps as many records of others as it may */
export class RecordsFullError extends Error {
  static override name = 'RecordsFullError'
  override name = 'RecordsFullError'
}
