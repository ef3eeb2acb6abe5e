import { expect, it } from 'vitest'
import { Shares } from '../../src/cache/shares.ts'

it('what is written for a client at once counts together, and is given up when it fails', () => {
  const shares = new Shares(() => 100)
  shares.own('a', 1, 60)
  shares.expect('a', 30)
  expect(shares.excess('a', 10)).toEqual([])
  const owner = shares.expect('a', 30)
  expect(shares.excess('a', 10)).toEqual([1])
  shares.forget(1)
  expect([shares.allows('a', 40), shares.allows('a', 41), shares.allows('b', 100)]).toEqual([true, false, true])

  shares.own(owner, 2, 30)
  shares.unexpect(owner, 30)
  expect([shares.allows('a', 70), shares.excess('a', 40), shares.excess('a', 41)]).toEqual([true, [], [2]])
  shares.unexpect('a', 30)
  expect(shares.excess('a', 70)).toEqual([])
})

it('a slot that another block has by now is nobody else\'s any more', () => {
  const shares = new Shares(() => 100)
  shares.own('a', 1, 60)
  shares.own('b', 1, 60)
  expect([shares.excess('a', 100), shares.excess('b', 60)]).toEqual([[], [1]])
})

it('who will own a block is known when its writing begins, though there is room for more clients when it ends', () => {
  const shares = new Shares(() => 100)
  for (let i = 0; i < 4_096; i++) {
    shares.own(`client ${i}`, i, 1)
  }
  const owner = shares.expect('late', 60)
  shares.forget(0)
  shares.own(owner, 5_000, 60)
  shares.unexpect(owner, 60)
  expect(shares.allows('late', 100)).toBe(true)
  shares.own('client 0', 0, 1)
  expect(shares.excess('later', 60)).toEqual([5_000])
})

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
