import { clamp01, severityOf } from './score.ts'
import type { Insufficient, PrivacyThresholds, Risk } from '../../interface/privacy.ts'
import type { View } from './view.ts'

/** What a detector answers: risks, or that it could not judge. Neither: it looked, and its test did not fire. */
export interface Finding {
  readonly risks: readonly Risk[]
  readonly insufficient: readonly Insufficient[]
}

/** A pure function of what was observed */
export type Detector = (view: View, thresholds: Readonly<PrivacyThresholds>, seed: number) => Finding

export const NOTHING: Finding = { risks: [], insufficient: [] }

/** Subjects that a risk names: a report is read by people, and the count is in the evidence */
export const MAX_SUBJECTS = 16

/** A risk as a detector states it: the severity follows from the score */
export function risk (init: Omit<Risk, 'severity' | 'subjects'> & { readonly subjects?: readonly string[] }): Risk {
  const score = clamp01(init.score)

  return {
    ...init,
    score,
    confidence: clamp01(init.confidence),
    severity: severityOf(score),
    subjects: (init.subjects ?? []).slice(0, MAX_SUBJECTS)
  }
}

/** Why questions about what was disclosed have no answer: one reason for all of them, so that reports say it once */
export const NO_LEDGER = 'No ledger is attached: who learnt of which block is not known'

/** The same where there is one that has nothing about any block */
export const NOTHING_LEFT = 'Nothing left this node about any content'

export function found (...risks: readonly Risk[]): Finding {
  return { risks, insufficient: [] }
}

export function tooLittle (kind: Insufficient['kind'], n: number, needed: number, reason: string): Finding {
  return { risks: [], insufficient: [{ kind, n, needed, reason }] }
}

/** Text of somebody else within a report: one line, short, nothing that moves a cursor */
export function legible (text: string): string {
  return text.slice(0, 64).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '�')
}

/** Confidence in something that was counted and not inferred: `n` of it, where one already is proof */
export const CERTAIN = 1
