import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadIdentity } from '../config/identity.ts'
import { MEMBERSHIP_FILE, loadMemberIdentity } from '../config/membership-seed.ts'
import { privateDirectory } from '../config/private-file.ts'
import { quote } from '../interface/quote.ts'
import { MembershipGroupError, NotAMemberError, ProverError } from '../privacy/proofs/errors.ts'
import { readMembershipGroup } from '../privacy/proofs/membership-group-file.ts'
import { MembershipProver } from '../privacy/proofs/membership-prover.ts'
import { createMembership } from '../privacy/proofs/membership.ts'
import { reportDigest } from '../privacy/proofs/report-digest.ts'
import { reportFormats } from '../privacy/report/report-formats.ts'
import { UsageError } from './exit-code.ts'
import type { AnalyzeProofOptions } from './analyze-options.ts'
import type { CommandContext } from './command.ts'
import type { PrivacyReportData } from '../interface/privacy.ts'
import type { ReportDocument } from '../privacy/report/json-format.ts'
import type { ReportProof } from '../privacy/report/report-format.ts'

/** Who makes the proof for a report, once there is one */
export interface AnalyzeProver {
  prove (report: PrivacyReportData, options: { raw: boolean }): Promise<ReportProof>
  close (): Promise<void>
}

/** Looks at all that a proof needs before anything is watched: group, identity, packages and artifacts */
export async function openProver ({ config, clock, signal }: Pick<CommandContext, 'config' | 'clock' | 'signal'>, { group: path, nonce }: AnalyzeProofOptions): Promise<AnalyzeProver> {
  if (!existsSync(join(config.store, MEMBERSHIP_FILE))) {
    throw new UsageError(`there is no membership in ${config.store}: portolan analyze --zk-join NAME makes one, and --store DIR says where it is`)
  }
  const group = await readMembershipGroup(path, { signal })
  const identity = await loadMemberIdentity(config.store)

  if (group.path(identity.commitment) == null) {
    throw new NotAMemberError(`the membership in ${config.store} is none of the ${group.size} members of the group ${quote(group.name)}: its commitment is ${identity.commitment}`)
  }
  if (!group.isValid(clock.wall())) {
    throw new MembershipGroupError(`the file of the group ${quote(group.name)} is not valid now: another one is needed`)
  }
  const prover = await MembershipProver.open({ clock }, { depth: group.depth }, { signal })

  return {
    async prove (report, { raw }) {
      try {
        // of what is handed on: whoever reads the JSON computes the same
        const document = JSON.parse(reportFormats().render('json', report, { raw })) as ReportDocument
        return await prover.prove({ identity, group, report: reportDigest(document), nonce })
      } catch (err) {
        if (err instanceof ProverError || err instanceof MembershipGroupError) {
          return { result: 'not-made', reason: err.message }
        }
        throw err
      }
    },
    async close () { await prover.close() }
  }
}

/** A year: groups are valid for less, and whoever is in many does not sign every month */
const MEMBERSHIP_DAYS = 365
const DAY = 86_400_000

/** The entry of the node of this store for the file of a group: signed by the node's key, and nothing in it is secret */
export async function membershipEntry ({ config, clock }: Pick<CommandContext, 'config' | 'clock'>, group: string): Promise<string> {
  await privateDirectory(config.store)
  // since midnight, so that entries do not tell when they were made
  const validFrom = Math.floor(clock.wall() / DAY) * DAY
  const entry = await createMembership({
    group,
    identity: await loadMemberIdentity(config.store),
    privateKey: await loadIdentity(config.store),
    validFrom,
    validUntil: validFrom + MEMBERSHIP_DAYS * DAY
  })
  return `${JSON.stringify(entry, null, 2)}\n`
}
