import type { Command } from './command.ts'

/** `portolan analyze` */
export const analyzeCommand: Command = {
  name: 'analyze',
  summary: 'Watch connections, and say what others could learn from them',
  minArguments: 0,
  maxArguments: 0,
  description: `Starts a libp2p node of its own with a throw-away identity, which joins no network: it connects to the peers
that --connect-to names, lets others connect at --listen-addr, watches for as long as --duration says, and prints a report. It knows what happens
on connections, and not which blocks are read: for that, --node asks the node that portolan serve runs on the store. Peers, addresses and CIDs have short names in
the report unless --raw is given. What is not in it was not found by these tests in that time, which is no proof that it is not there. Exits with 1 when none
of the peers could be reached.`,
  examples: [
    'portolan analyze --connect-to /ip4/127.0.0.1/tcp/4480 --duration 60',
    'portolan analyze --listen-addr /ip4/0.0.0.0/tcp/4490 --duration 3600 --format html --output report.html',
    'portolan analyze --node --format json | jq .overallRiskScore',
    'portolan analyze --simulate',
    'portolan analyze --connect-to /ip4/127.0.0.1/tcp/4480 --zk --zk-group fleet.json --zk-nonce NONCE --format json'
  ],
  own: {
    duration: { type: 'string', placeholder: 'SECONDS', description: 'Watch for so long; Ctrl-C ends it sooner, and the report is made all the same. (default 10)' },
    'listen-addr': { type: 'string', placeholder: 'MULTIADDR', multiple: true, description: 'Let peers connect here. (default /ip4/127.0.0.1/tcp/0: this machine only, a free port)' },
    'connect-to': { type: 'string', placeholder: 'MULTIADDR', multiple: true, description: 'Connect to this peer, within 10 s.' },
    simulate: { type: 'boolean', description: 'Analyse traffic that is made up instead, to see what a report looks like. It is labelled so, and nothing is waited for.' },
    node: { type: 'boolean', description: 'Print the report of the node that runs on the store instead: its connections, and who learnt what from its reads.' },
    format: { type: 'string', placeholder: 'NAME', description: 'console, json, html or slack. (default console)' },
    output: { type: 'string', short: 'o', placeholder: 'FILE', description: 'Write the report there, for this user alone: it appears whole or not at all.' },
    raw: { type: 'boolean', description: 'Show peers, addresses and CIDs as they are.' },
    verbose: { type: 'boolean', description: 'Show all findings with their evidence, and on standard error what happens while it watches.' },
    'anonymity-set-threshold': { type: 'string', placeholder: 'NUMBER', description: 'Fewer parties than these among whom one hides are a finding. (default 5)' },
    'timing-correlation-threshold': { type: 'string', placeholder: 'NUMBER', description: 'A correlation from this on is a finding: above 0, up to 1. (default 0.5)' },
    zk: { type: 'boolean', description: 'Prove that the report is by a member of a group, and not by which. Needs the packages snarkjs and @zk-kit/semaphore-artifacts.' },
    'zk-group': { type: 'string', placeholder: 'FILE', description: 'The group: at least 5 commitments, each signed by its peer.' },
    'zk-nonce': { type: 'string', placeholder: 'TEXT', description: 'What the reader gave out for this report. (default made up)' },
    'zk-artifacts': { type: 'string', placeholder: 'DIR', description: 'Where semaphore-DEPTH.wasm, .zkey and .json are; they have to be those of the ceremony. (default the package @zk-kit/semaphore-artifacts)' }
  },
  options: ['store.path', 'log.level'],

  async run (context) {
    // a libp2p node and its analysis: what no other command needs
    const { analyze } = await import('./analyze.ts')
    return await analyze(context)
  }
}
