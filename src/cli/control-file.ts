import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readPrivateFile, writePrivateFile } from '../config/private-file.ts'

/** Where a running node is reached: what `get` and `explain` look for */
export interface ControlRecord {
  readonly url: string
  readonly gateway: string
  readonly pid: number
  /** How it reads, as digests of its options by key */
  readonly reading?: Readonly<Record<string, unknown>>
}

const RECORD = 'control.json'
/** The path of the token within the store: what Prometheus is pointed to */
export const TOKEN_FILE = 'control.token'

/** Tells other processes of this user where the node is */
export async function writeControl (directory: string, record: ControlRecord, token: string): Promise<void> {
  await writePrivateFile(join(directory, TOKEN_FILE), `${token}\n`)
  await writePrivateFile(join(directory, RECORD), `${JSON.stringify(record)}\n`)
}

export async function removeControl (directory: string): Promise<void> {
  await rm(join(directory, RECORD), { force: true })
  await rm(join(directory, TOKEN_FILE), { force: true })
}

/** What the last node on this store wrote: it may be gone since, without a farewell */
export async function readControl (directory: string): Promise<{ record: ControlRecord, token: string } | undefined> {
  const record = await readPrivateFile(join(directory, RECORD))
  const token = await readPrivateFile(join(directory, TOKEN_FILE))
  const parsed = record == null ? undefined : parse(record.text)

  return parsed == null || token == null ? undefined : { record: parsed, token: token.text.trim() }
}

function parse (text: string): ControlRecord | undefined {
  let value: Partial<ControlRecord> | null
  try {
    value = JSON.parse(text) as Partial<ControlRecord> | null
  } catch (err) {
    if (err instanceof SyntaxError) {
      // not written by us, so nobody is to be found through it
      return undefined
    }
    throw err
  }
  const { url, gateway, pid, reading } = value ?? {}
  return typeof url === 'string' && typeof gateway === 'string' && typeof pid === 'number'
    ? { url, gateway, pid, ...typeof reading === 'object' && reading !== null ? { reading } : {} }
    : undefined
}
