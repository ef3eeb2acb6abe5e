import { it } from 'vitest'
import { countsUnderChurn } from './support/churn-counts.ts'

it('counts exactly with peers that leave, rejoin and are cut off; test/e2e has it with 200 for a minute', async () => {
  await countsUnderChurn(30, 3_000, 100)
})
