import { describe } from 'vitest'
import { describeAnalyze } from './analyze-flags.ts'

describe('portolan analyze', () => { describeAnalyze() })
