import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

/** Only egress files may open a socket: everything they send carries a disclosure (docs/architecture.md) */
const NETWORK_MODULES = ['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'dns/promises']
const EGRESS_FILES = ['src/**/egress.ts', 'src/**/*-egress.ts']

const forbiddenLibraries = {
  group: ['@chainsafe/libp2p-gossipsub', '@libp2p/floodsub', '@libp2p/mplex'],
  message: 'Never composed by this package: see docs/architecture.md, ground rules for dependencies.'
}

/** Types are erased: importing one sends nothing */
const noNetworkImports = ['error', {
  paths: [
    ...NETWORK_MODULES.flatMap(name => [name, `node:${name}`]),
    'undici',
    'ioredis'
  ].map(name => ({ name, message: 'Only egress files (egress.ts, *-egress.ts) may reach the network: what leaves the process carries a Disclosure.', allowTypeImports: true })),
  patterns: [forbiddenLibraries]
}]

const egressSyntax = [
  { selector: 'CallExpression > Identifier.callee[name="fetch"]', message: 'fetch belongs in an egress file.' },
  { selector: 'MemberExpression[object.name=/^(globalThis|window|self)$/][property.name=/^(fetch|WebSocket|EventSource|XMLHttpRequest)$/]', message: 'The network belongs in an egress file.' },
  { selector: 'NewExpression > Identifier.callee[name=/^(WebSocket|EventSource|XMLHttpRequest|WebTransport|RTCPeerConnection)$/]', message: 'The network belongs in an egress file.' },
  { selector: 'MemberExpression[property.name=/^(dial|dialProtocol|peerRouting)$/]', message: 'Dialling and peer routing belong in an egress file.' },
  { selector: 'MemberExpression[property.name="contentRouting"][object.name=/^(libp2p|components)$/]', message: 'libp2p content routing belongs in an egress file.' },
  { selector: 'MemberExpression[property.name="contentRouting"][object.property.name="libp2p"]', message: 'libp2p content routing belongs in an egress file.' }
]

const timeSyntax = [
  { selector: 'MemberExpression[object.name="Date"][property.name="now"]', message: 'Time is injected: use the Clock.' },
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Time is injected: use the Clock.' },
  { selector: 'MemberExpression[object.name="performance"][property.name="now"]', message: 'Time is injected: use the Clock.' },
  { selector: 'MemberExpression[object.name="Math"][property.name="random"]', message: 'Chance is injected: use Random.' },
  { selector: 'CallExpression > Identifier.callee[name=/^(setTimeout|setInterval|setImmediate)$/]', message: 'Time is injected: use clock.schedule or clock.sleep.' },
  { selector: 'MemberExpression[object.name="AbortSignal"][property.name="timeout"]', message: 'Runs on a real timer: use clock.timeout.' }
]

const blockstoreSyntax = [
  {
    selector: ':not(MemberExpression[property.name="unwrap"]) > MemberExpression[property.name="blockstore"][object.name=/^(helia|node)$/]',
    message: 'helia.blockstore holds a process-wide lock through a fetch: use helia.blockstore.unwrap().'
  },
  {
    selector: ':not(MemberExpression[property.name="unwrap"]) > MemberExpression[property.name="blockstore"][object.property.name=/^#?(helia|node)$/]',
    message: 'helia.blockstore holds a process-wide lock through a fetch: use helia.blockstore.unwrap().'
  }
]

/** Rooms that run below `retrieve`, where touching helia.blockstore can deadlock with a waiting gc */
const UNDER_RETRIEVAL = ['src/routing/**/*.ts', 'src/exchange/**/*.ts', 'src/discovery/**/*.ts', 'src/gateway/**/*.ts', 'src/unixfs/**/*.ts']

export default [
  { ignores: ['dist/**', 'coverage/**', 'bench/results/**', 'node_modules/**'] },

  ...neostandard({ ts: true, noJsx: true }),

  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true, allowRethrowing: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false, attributes: false } }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/consistent-type-imports': ['error', { prefer: 'type-imports', fixStyle: 'separate-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignoreConditionalTests: true, ignorePrimitives: { boolean: true }, ignoreMixedLogicalExpressions: true }],
      camelcase: ['error', { ignoreImports: true, ignoreDestructuring: true, properties: 'never' }],
      // Knows nothing of closures that change the condition
      'no-unmodified-loop-condition': 'off',
      // `void promise` says that nobody waits for it on purpose, which no-floating-promises asks for
      'no-void': ['error', { allowAsStatement: true }],
      // The base rule cannot see that an abort reason was typed as an Error
      'prefer-promise-reject-errors': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      '@typescript-eslint/no-redeclare': 'off',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'], location: 'start' }]
    }
  },

  {
    files: ['src/**/*.ts'],
    rules: {
      '@typescript-eslint/explicit-function-return-type': ['error', {
        allowExpressions: true,
        allowTypedFunctionExpressions: true,
        allowHigherOrderFunctions: true
      }],
      '@typescript-eslint/no-explicit-any': 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 350, skipBlankLines: false, skipComments: false }],
      '@typescript-eslint/no-restricted-imports': noNetworkImports,
      'no-restricted-syntax': ['error', ...egressSyntax, ...timeSyntax]
    }
  },

  {
    files: UNDER_RETRIEVAL,
    rules: { 'no-restricted-syntax': ['error', ...egressSyntax, ...timeSyntax, ...blockstoreSyntax] }
  },

  {
    // HTTP servers: createServer is theirs, a test in test/architecture holds them to it
    files: ['src/gateway/server.ts', 'src/testing/**/*.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [forbiddenLibraries] }] }
  },

  {
    files: ['src/clock/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...egressSyntax] }
  },

  {
    files: EGRESS_FILES,
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: [forbiddenLibraries] }],
      'no-restricted-syntax': ['error', ...timeSyntax, ...blockstoreSyntax]
    }
  },

  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [forbiddenLibraries] }] }
  }
]
