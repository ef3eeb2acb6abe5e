import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MEMBERSHIP_FILE, loadMemberIdentity } from '../config/membership-seed.ts'
import { MissingDependencyError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { ArtifactError, MembershipGroupError, NotAMemberError, ProverError } from '../privacy/proofs/errors.ts'
import { readMembershipGroup } from '../privacy/proofs/membership-group-file.ts'
import { MembershipProver } from '../privacy/proofs/membership-prover.ts'
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

/** The machine was too busy, or the files are not what they were at the start */
const NOT_MADE = [ProverError, MembershipGroupError, ArtifactError, MissingDependencyError]

/** Looks at all that a proof needs before anything is watched: group, identity, packages and artifacts */
export async function openProver ({ config, clock, signal }: Pick<CommandContext, 'config' | 'clock' | 'signal'>, { group: path, nonce, artifacts }: AnalyzeProofOptions): Promise<AnalyzeProver> {
  if (!existsSync(join(config.store, MEMBERSHIP_FILE))) {
    throw new UsageError(`there is no membership in ${config.store}: portolan proof join NAME makes one, and --store DIR says where it is`)
  }
  const group = await readMembershipGroup(path, { signal })
  const identity = await loadMemberIdentity(config.store)

  if (group.path(identity.commitment) == null) {
    throw new NotAMemberError(`the membership in ${config.store} is none of the ${group.size} members of the group ${quote(group.name)}: its commitment is ${identity.commitment}`)
  }
  if (!group.isValid(clock.wall())) {
    throw new MembershipGroupError(`the file of the group ${quote(group.name)} is not valid now: another one is needed`)
  }
  const prover = await MembershipProver.open({ clock }, { depth: group.depth, ...artifacts == null ? {} : { artifacts } }, { signal })

  return {
    async prove (report, { raw }) {
      try {
        // of what is handed on: whoever reads the JSON computes the same
        const document = JSON.parse(reportFormats().render('json', report, { raw })) as ReportDocument
        return await prover.prove({ identity, group, report: reportDigest(document), nonce })
      } catch (err) {
        // what was watched for an hour is not thrown away with it
        if (NOT_MADE.some(kind => err instanceof kind)) {
          return { result: 'not-made', reason: (err as Error).message }
        }
        throw err
      }
    },
    async close () { await prover.close() }
  }
}
