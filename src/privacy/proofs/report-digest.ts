import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import type { PrivacyReportData } from '../../interface/privacy.ts'

/** What is proven of a report: all of it. What else a document has, as its title or the proof itself, is not part of the report. */
const FIELDS: Readonly<Record<keyof PrivacyReportData, true>> = {
  version: true,
  generatedAt: true,
  source: true,
  window: true,
  streams: true,
  overallRiskScore: true,
  risks: true,
  insufficient: true,
  measures: true,
  statistics: true,
  thresholds: true
}

/** Bytes of randomness in a nonce */
const NONCE_BYTES = 32

/**
 * SHA-256 of a report, in hexadecimal, whatever the order of its keys: the same
 * for a report and for the JSON document that it is read from. It is of what is
 * published, so of the redacted report where that is handed on.
 */
export function reportDigest (report: PrivacyReportData): string {
  const fields = Object.fromEntries(Object.keys(FIELDS).map(name => [name, report[name as keyof PrivacyReportData]]))
  return toString(sha256(fromString(JSON.stringify(fields, ordered))), 'base16')
}

/** A number that nobody can foresee: a reader gives it out, and takes one report for it */
export function createNonce (): string {
  // letters and digits alone: one that begins with a dash is a flag to a command
  return toString(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)), 'base32')
}

function ordered (_: string, value: unknown): unknown {
  return typeof value === 'object' && value != null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
    : value
}
