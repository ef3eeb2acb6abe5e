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

it('of more clients than there is room for the one that owns least is forgotten, and nobody shares with others', () => {
  const shares = new Shares(() => 100)
  for (let i = 0; i < 4_096; i++) {
    shares.own(`client ${i}`, i, i === 7 ? 1 : 2)
  }
  expect(shares.excess('late', 60)).toEqual([])
  shares.own('late', 5_000, 60)
  shares.own('later', 5_001, 60)
  expect([shares.excess('late', 60), shares.excess('later', 60), shares.excess('latest', 60)]).toEqual([[5_000], [5_001], []])
  // of those who own as little the first one
  expect([7, 0, 1, 4_095].map(i => shares.excess(`client ${i}`, 100).length)).toEqual([0, 0, 1, 1])

  // what belonged to one who was forgotten is nobody's
  shares.forget(7)
  shares.own('client 7', 7, 50)
  expect(shares.excess('client 7', 60)).toEqual([7])
})

it('nobody is forgotten while something is written for him; who comes when that is so for all has one share with others', () => {
  const shares = new Shares(() => 100)
  for (let i = 0; i < 4_096; i++) {
    shares.expect(`client ${i}`, 60)
  }
  const owner = shares.expect('late', 60)
  expect([owner, shares.expect('later', 10)]).toEqual(['', ''])
  for (let i = 0; i < 4_096; i++) {
    shares.own(`client ${i}`, i, 60)
    shares.unexpect(`client ${i}`, 60)
  }
  shares.own(owner, 5_000, 60)
  shares.unexpect(owner, 60)
  shares.unexpect(owner, 10)
  expect([shares.excess(owner, 60), shares.excess('client 9', 60)]).toEqual([[5_000], [9]])
})
