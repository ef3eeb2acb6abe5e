import type { MembershipClaim, PrivacyReportData, Risk } from '../../../src/interface/privacy.ts'

export const PEERS = ['12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA', '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N']
export const CIDS = ['bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n']

export function risk (changes: Partial<Risk> = {}): Risk {
  return {
    id: `small-anonymity-set:${PEERS[0]}`,
    kind: 'small-anonymity-set',
    title: 'Every request of this node can be told from those of others',
    severity: 'critical',
    score: 0.92,
    confidence: 0.95,
    n: 120,
    observerClass: 'dht',
    subjects: [...PEERS],
    evidence: { anonymitySet: 1, effectiveSet: 1, minEntropy: 0, direction: 'outbound' },
    recommendation: 'Let the master look up for many users, or ask own routers only.',
    mitigation: 'mode: strict',
    ...changes
  }
}

const FROM = Date.UTC(2026, 10, 22, 4, 30)

/** A report as an analysis of an afternoon gives it */
export function sample (changes: Partial<PrivacyReportData> = {}): PrivacyReportData {
  return {
    version: 1,
    generatedAt: FROM + 1_800_400,
    source: 'real',
    window: { from: FROM, to: FROM + 1_800_000 },
    streams: 'exact',
    overallRiskScore: 0.78,
    risks: [
      risk({ id: 'agent-fingerprint', kind: 'agent-fingerprint', title: 'The agent string tells this node from the others', severity: 'low', score: 0.21, confidence: 0.8, n: 9, observerClass: 'network', subjects: [], evidence: { agent: 'helia/7.1.15 js-libp2p/3.3.11 node/24.21.0', k: 1 }, recommendation: 'Use the agent string that most others use.', mitigation: 'mode: balanced' }),
      risk(),
      risk({ id: `timing-correlation:${PEERS[1]}`, kind: 'timing-correlation', title: 'What goes in to one peer comes out to another at the same moments', severity: 'high', score: 0.71, confidence: 0.97, n: 64, observerClass: 'network', subjects: [PEERS[0] as string, PEERS[1] as string], evidence: { r: 0.8123, p: 0.0009, bins: 64, lag: 0 }, recommendation: 'Spread look-ups over time: jitter and batches.', mitigation: 'mode: strict' }),
      risk({ id: 'third-party-exposure', kind: 'third-party-exposure', title: 'CIDs were told to delegated routers', severity: 'medium', score: 0.48, confidence: 1, n: 31, observerClass: 'router', subjects: ['router:https://router.example'], evidence: { exposures: 31, share: 0.26 }, recommendation: 'Name no third-party routers, or a router of your own.', mitigation: 'mode: balanced' })
    ],
    insufficient: [
      { kind: 'periodic-traffic', n: 7, needed: 10, reason: 'fewer than 10 intervals between messages' },
      { kind: 'session-linkability', n: 1, needed: 2, reason: 'one session so far' }
    ],
    measures: [
      { observerClass: 'peer', exposures: 88, observers: 3, subjects: 61, anonymitySet: 1, effectiveSet: 1, degree: 0, minEntropy: 0 },
      { observerClass: 'dht', exposures: 1204, observers: 38, subjects: 61, anonymitySet: 1, effectiveSet: 1, degree: 0, minEntropy: 0 },
      { observerClass: 'router', exposures: 31, observers: 1, subjects: 31, anonymitySet: 12, effectiveSet: 7.4213, degree: 0.8061, minEntropy: 1.58 },
      { observerClass: 'shared-cache', exposures: 5, observers: 1, subjects: 5, anonymitySet: 4, effectiveSet: 4, degree: 1, minEntropy: 2 }
    ],
    statistics: {
      uniquePeers: 41,
      totalConnections: 58,
      openConnections: 12,
      inboundConnections: 5,
      outboundConnections: 53,
      totalStreams: 1432,
      protocols: { '/ipfs/bitswap/1.2.0': 210, '/ipfs/kad/1.0.0': 1102, '/ipfs/id/1.0.0': 58, '/alice/diary/1.0.0': 3 },
      transports: { tcp: 50, ws: 8 },
      bytesSent: 1_204_332,
      bytesReceived: 88_204_881,
      streams: 'exact',
      evictedPeers: 0,
      evictedConnections: 0
    },
    thresholds: { ANONYMITY_SET_THRESHOLD: 5, TIMING_CORRELATION_THRESHOLD: 0.5 },
    ...changes
  }
}

export const CLAIM: MembershipClaim = {
  result: 'verified',
  statement: 'semaphore-v4',
  group: 'harbours',
  members: 24,
  epoch: 2955,
  root: '98765432109876543210987654321098765432109876543210987654321098765432109',
  scope: '123',
  nullifier: '1234567890123456789012345678901234567890',
  report: 'ab'.repeat(32),
  nonce: 'a-nonce-of-a-reader-0001',
  proven: ['whoever made the proof is one of the 24 members of the group harbours'],
  notProven: ['which one', 'that what the report says is true'],
  proof: {
    version: 1,
    statement: 'semaphore-v4',
    group: 'harbours',
    epoch: 2955,
    merkleTreeDepth: 10,
    merkleTreeRoot: '98765432109876543210987654321098765432109876543210987654321098765432109',
    nullifier: '1234567890123456789012345678901234567890',
    message: '77',
    scope: '123',
    points: ['1', '2', '3', '4', '5', '6', '7', '8']
  }
}
