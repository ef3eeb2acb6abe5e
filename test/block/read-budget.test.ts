import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_READ_BUDGET, processReadBudget, readBudget } from '../../src/block/read-budget.ts'

describe('readBudget', () => {
  it('is 256 MiB for a process', () => {
    expect(DEFAULT_READ_BUDGET).toBe(268_435_456)
    expect(processReadBudget.limit).toBe(DEFAULT_READ_BUDGET)
  })

  it.each([0, -1, 0.5, NaN, Infinity])('refuses a limit of %d', limit => {
    expect(() => readBudget(limit)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('readBudget') }))
  })

  it('divides the limit by those who read now', () => {
    const budget = readBudget(900)
    const accounts = [budget.open(), budget.open(), budget.open()]

    expect(accounts.map(({ share }) => share)).toEqual([300, 300, 300])
    accounts[0]?.close()
    accounts[0]?.close()
    expect(budget.readers).toBe(2)
    expect(accounts[1]?.share).toBe(450)
  })

  it('never lends more than the limit, but for what is forced, and gets everything back', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(fc.record({ reader: fc.nat(3), bytes: fc.nat(500), act: fc.constantFrom('take', 'force', 'release', 'close') }), { maxLength: 60 }),
      (limit, acts) => {
        const budget = readBudget(limit)
        const readers = Array.from({ length: 4 }, () => ({ account: budget.open(), held: [] as number[], closed: false }))

        for (const { reader: index, bytes, act } of acts) {
          const reader = readers[index]
          const before = budget.held

          if (reader == null) {
            continue
          } else if (act === 'close') {
            reader.account.close()
            reader.held = []
            reader.closed = true
          } else if (act === 'release') {
            reader.account.release(reader.held.pop() ?? 0)
          } else if (act === 'force') {
            reader.account.force(bytes)
            reader.held.push(...reader.closed ? [] : [bytes])
          } else if (reader.account.take(bytes)) {
            expect(before + bytes).toBeLessThanOrEqual(limit)
            reader.held.push(...reader.closed ? [] : [bytes])
          } else {
            expect(before + bytes).toBeGreaterThan(limit)
          }

          expect(budget.held).toBe(readers.flatMap(({ held }) => held).reduce((sum, held) => sum + held, 0))
        }

        readers.forEach(({ account }) => { account.close() })
        expect(budget).toMatchObject({ held: 0, readers: 0 })
      }
    ))
  })
})
