import type { Schema } from './schema.ts'

/** How the risk is watched, and who may see reports: a part of the schema */
export const reportSchema = {
  'privacy.checkInterval': {
    type: 'duration',
    default: 300_000,
    reason: 'an analysis of all that a node remembers takes up to a second: a third of a percent of a core',
    description: 'How often the privacy risk is looked at while the node serves.',
    env: 'PORTOLAN_PRIVACY_CHECK_INTERVAL',
    flag: 'privacy-check-interval',
    placeholder: 'DURATION',
    min: 1_000,
    max: 86_400_000
  },
  'privacy.riskThreshold': {
    type: 'number',
    default: 0.7,
    reason: 'where reports become red, and the alert rule for Prometheus goes off',
    description: 'Score above which there is an alert: in the log, and at the webhook.',
    env: 'PORTOLAN_PRIVACY_RISK_THRESHOLD',
    flag: 'privacy-risk-threshold',
    placeholder: 'SCORE',
    min: 0,
    max: 1
  },
  'privacy.webhook': {
    type: 'string',
    default: '',
    reason: 'none: whoever receives alerts learns of this node',
    description: 'URL that alerts are sent to, redacted: `https://`, or `http://` on this machine. Private addresses only where they are allowed (`routing.allowAddresses`). There is no flag: such a URL often holds a secret.',
    env: 'PORTOLAN_PRIVACY_WEBHOOK',
    maxLength: 4_096,
    secret: true
  },
  'privacy.webhookFormat': {
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'json', 'slack'],
    reason: 'a message for Slack to `hooks.slack.com`, JSON elsewhere',
    description: 'What is sent there.',
    env: 'PORTOLAN_PRIVACY_WEBHOOK_FORMAT'
  },
  'privacy.tokens': {
    type: 'list',
    default: [],
    reason: 'none: only who has the control token sees reports',
    description: 'Who else may see reports: `viewer:TOKEN` redacted ones, `admin:TOKEN` raw ones too; `ROLE:sha256:HEX` where the token shall not be written down. At least 16 characters each. There is no flag: everybody on a machine can read those.',
    env: 'PORTOLAN_PRIVACY_TOKENS',
    maxItems: 256,
    maxLength: 600,
    secret: true
  },
  'privacy.tokensFile': {
    type: 'path',
    default: '',
    reason: 'instead of `privacy.tokens`; read at the start',
    description: 'File with one of these on each line; what begins with # does not count. Only its owner may read it.',
    env: 'PORTOLAN_PRIVACY_TOKENS_FILE',
    maxLength: 4_096
  }
} as const satisfies Schema
