import {
  MembershipGroup, MembershipProver, MembershipVerifier, MetadataCollector, PrivacyAnalyzer, createMembership, createNonce, formatMembershipGroup, jsonFormat,
  listeningAddress, memberIdentity, randomSeed, redactReport, reportDigest, verifyReportDocument
} from '../../../src/index.privacy.ts'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { ask, echoNode, stopAll } from './nodes.ts'

const DAY = 86_400_000

/** Of a fleet of six, one hands in a report of its node: the reader learns that it is one of the six, once a day, and not which */
export async function proof (): Promise<void> {
  // a report, as it is handed on: redacted
  const [node, peer] = await Promise.all([echoNode(), echoNode()])
  const collector = new MetadataCollector(node, { streams: 'wrap' })
  await ask(await peer.dial(listeningAddress(node)))
  const report = redactReport(new PrivacyAnalyzer(collector).analyze())
  collector.detach()
  await stopAll([node, peer])

  // each member makes a commitment, and signs it with the key of its peer; the file of the group has nothing secret in it
  const validity = { validFrom: Date.now() - DAY, validUntil: Date.now() + DAY }
  const identities = await Promise.all(Array.from({ length: 7 }, async () => memberIdentity(randomSeed())))
  const [me, , , , , , stranger] = identities
  const members = await Promise.all(identities.slice(0, 6).map(async identity => createMembership({ group: 'fleet', identity, privateKey: await generateKeyPair('Ed25519'), ...validity })))
  const group = await MembershipGroup.parse(await formatMembershipGroup({ name: 'fleet', members, ...validity }))
  console.log(`the group ${group.name} has ${group.size} members`)

  if (me == null || stranger == null) {
    throw new Error('there are seven identities')
  }
  const prover = await MembershipProver.open({}, { depth: group.depth })
  const refusal = async (attempt: Promise<unknown>): Promise<string> => attempt.then(() => 'ACCEPTED, which must not be', (err: Error) => `${err.name}: ${err.message}`)

  try {
    // the reader gives a number out; the member proves; the reader verifies, with none of the prover's code
    const nonce = createNonce()
    const began = performance.now()
    const claim = await prover.prove({ identity: me, group, report: reportDigest(report), nonce })
    const proved = performance.now()
    const document = jsonFormat.render(report, { proof: claim })
    const verifier = new MembershipVerifier({ group })

    const elsewhere = new MembershipVerifier({ group })
    const forgedReport = JSON.stringify({ ...JSON.parse(document) as object, overallRiskScore: 0.123 })
    console.log(`a report of somebody else's making with this proof\n  ${await refusal(verifyReportDocument(forgedReport, nonce, elsewhere))}`)
    console.log(`the proof for another nonce\n  ${await refusal(verifyReportDocument(document, createNonce(), elsewhere))}`)

    const checking = performance.now()
    const { result, members: size, proven, notProven } = await verifyReportDocument(document, nonce, verifier)
    console.log(`the proof itself\n  ${result}: by one of ${size}; made in ${((proved - began) / 1000).toFixed(1)} s, verified in ${(performance.now() - checking).toFixed(0)} ms`)
    console.log(`the same once more\n  ${await refusal(verifyReportDocument(document, nonce, verifier))}`)
    console.log(`somebody who is no member\n  ${await refusal(prover.prove({ identity: stranger, group, report: reportDigest(report), nonce }))}`)
    console.log(`a group of four\n  ${await refusal(formatMembershipGroup({ name: 'fleet', members: members.slice(0, 4), ...validity }))}`)
    console.log(`\nproven:\n${proven.map(text => `  - ${text}`).join('\n')}\nnot proven:\n${notProven.map(text => `  - ${text}`).join('\n')}`)
  } finally {
    await prover.close()
  }
}
