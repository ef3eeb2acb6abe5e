import { OBSERVER_CLASSES, RISK_KINDS } from '../../interface/privacy.ts'

const count = { type: 'integer', minimum: 0 }
const figure = { type: 'number', minimum: 0 }
const share = { type: 'number', minimum: 0, maximum: 1 }
const time = { type: 'integer', description: 'Milliseconds since 1970-01-01 UTC' }
const text = { type: 'string', maxLength: 4_096 }
const texts = { type: 'array', items: text }
const counts = { type: 'object', additionalProperties: count }

function object (properties: Readonly<Record<string, object>>, optional: Readonly<Record<string, object>> = {}): object {
  return { type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties), additionalProperties: false }
}

const risk = object({
  id: { ...text, description: 'The same in later reports on the same thing, where it is not redacted' },
  kind: { enum: [...RISK_KINDS] },
  title: text,
  severity: { enum: ['low', 'medium', 'high', 'critical'] },
  score: share,
  confidence: { ...share, description: 'How sure it is that this is there at all' },
  n: { ...count, description: 'Observations that it stands on' },
  observerClass: { enum: [...OBSERVER_CLASSES, 'network'] },
  subjects: { ...texts, description: 'Whom it is about; names of this report only where it is redacted' },
  evidence: { type: 'object', additionalProperties: { type: ['number', 'string', 'boolean'] } },
  recommendation: text,
  mitigation: { ...text, description: 'The option that takes it away, or none' }
})

const measure = object({
  observerClass: { enum: [...OBSERVER_CLASSES] },
  exposures: count,
  observers: count,
  subjects: count,
  anonymitySet: figure,
  effectiveSet: { ...figure, description: '2^H' },
  degree: share,
  minEntropy: { ...figure, description: 'In bits' }
})

const statistics = object({
  uniquePeers: count,
  totalConnections: count,
  openConnections: count,
  inboundConnections: count,
  outboundConnections: count,
  totalStreams: count,
  protocols: counts,
  transports: counts,
  streams: { enum: ['exact', 'sampled'] },
  evictedPeers: count,
  evictedConnections: count
}, { bytesSent: count, bytesReceived: count })

const missingProof = object({ result: { enum: ['refused', 'not-made'] }, reason: text })

const claim = object({
  result: { enum: ['verified'] },
  statement: { enum: ['semaphore-v4'] },
  group: text,
  members: count,
  epoch: count,
  root: text,
  scope: text,
  nullifier: text,
  report: { ...text, description: 'SHA-256 of the report, in hexadecimal' },
  nonce: text,
  proven: texts,
  notProven: texts,
  proof: { type: 'object' }
})

/** What the JSON of a report looks like, as JSON Schema (2020-12): `docs/schema/privacy-report.schema.json` is the same */
export const privacyReportSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:portolan:privacy-report:1',
  title: 'Privacy report of Portolan',
  description: 'What an analysis of the connections and disclosures of a node found, and what too little was seen for. No finding is no assurance.',
  ...object({
    version: { const: 1 },
    generatedAt: time,
    source: { enum: ['real', 'simulated'] },
    window: object({ from: time, to: time }),
    streams: { enum: ['exact', 'sampled'], description: 'Sampled: streams, protocols and bytes are lower bounds' },
    overallRiskScore: { ...share, description: '0 with everything in insufficient means that nothing could be judged' },
    risks: { type: 'array', items: risk },
    insufficient: { type: 'array', items: object({ kind: { enum: [...RISK_KINDS] }, n: count, needed: count, reason: text }) },
    measures: { type: 'array', items: measure },
    statistics,
    thresholds: object({ ANONYMITY_SET_THRESHOLD: figure, TIMING_CORRELATION_THRESHOLD: share }),
    redacted: { type: 'boolean', description: 'Whether peers, addresses and CIDs have names that hold within this report only' },
    caveat: text
  }, {
    title: text,
    proof: { anyOf: [claim, missingProof] },
    history: { type: 'array', items: object({ timestamp: time, riskScore: share }) },
    timeline: object({ from: time, to: time, bins: { type: 'array', items: object({ opened: count, events: count, exposures: count }) } })
  })
}
