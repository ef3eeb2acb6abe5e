import { describe } from 'vitest'
import { describeProof } from './proof-flags.ts'

describe('portolan proof', () => { describeProof() })
