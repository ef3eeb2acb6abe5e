import { expect, it } from 'vitest'
import { Shares } from '../../src/cache/shares.ts'

it('clients beyond as many as are told apart have one share together, until others own nothing any more', () => {
  const shares = new Shares(() => 100)
  for (let i = 0; i < 4_096; i++) {
    shares.own(`client ${i}`, i, 1)
  }
  shares.own('late', 5_000, 60)
  expect(shares.excess('later', 60)).toEqual([5_000])
  expect(shares.excess('client 7', 60)).toEqual([])

  shares.forget(5_000)
  shares.forget(0)
  shares.own('late', 5_001, 60)
  expect(shares.excess('later', 60)).toEqual([])
})
