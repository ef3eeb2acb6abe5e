import { describe, expect, it } from 'vitest'
import { compareVersions, FLOORS, lockfileFaults } from './rules/lockfile.ts'
import { importsOf, listSources, packageOf, parse, readRepositoryFile } from './support/source-tree.ts'
import type { Lockfile } from './rules/lockfile.ts'

const lock = JSON.parse(readRepositoryFile('package-lock.json')) as Lockfile

describe('the lockfile', () => {
  it('holds the floors, one copy of what must agree with itself, and no hosts', () => {
    expect(lockfileFaults(lock)).toEqual([])
  })

  it('no source file composes mplex, floodsub or the old gossipsub', () => {
    // @libp2p/mplex itself is in the tree, since @helia/libp2p depends on it: the rule is that our composition never configures it
    const forbidden = ['@libp2p/mplex', '@libp2p/floodsub', '@chainsafe/libp2p-gossipsub']
    const imports = listSources().flatMap(file => importsOf(parse(file, readRepositoryFile(file))).map(edge => `${file} ${packageOf(edge.specifier)}`))
    expect(imports.length).toBeGreaterThan(0)
    expect(imports.filter(line => forbidden.some(name => line.endsWith(` ${name}`)))).toEqual([])
  })

  it('no source file composes public infrastructure by default', () => {
    // createHelia() and libp2pDefaults() bring bootstrappers, public routers and gateways along
    const imports = listSources().flatMap(file => importsOf(parse(file, readRepositoryFile(file)))
      .filter(edge => edge.names.some(name => ['createHelia', 'libp2pDefaults', 'withHTTP'].includes(name)))
      .map(edge => `${file} ${edge.specifier}`))
    expect(imports).toEqual([])
  })
})

describe('the lockfile rule itself', () => {
  const change = (path: string, entry: Lockfile['packages'][string]): string[] => lockfileFaults({ packages: { ...lock.packages, [path]: entry } })

  it('sees a version below its floor, nested or not, and a pre-release of the floor', () => {
    for (const [name, { version }] of Object.entries(FLOORS)) {
      expect(change(`node_modules/${name}`, { version: '0.9.9' })).toEqual([`${name} is 0.9.9, below ${version}`])
      expect(change(`node_modules/x/node_modules/${name}`, { version: `${version}-rc.1` })).toEqual([`${name} is ${version}-rc.1, below ${version}`])
      expect(change(`node_modules/${name}`, { version })).toEqual([])
    }
  })

  it('sees a second copy, a package that must not be there, a host, and a missing package', () => {
    expect(change('node_modules/x/node_modules/multiformats', { version: '13.0.0' })).toHaveLength(1)
    expect(change('node_modules/@libp2p/floodsub', { version: '99.0.0' })).toHaveLength(1)
    expect(change('node_modules/x', { version: '1.0.0', resolved: 'https://example.org/x.tgz' })).toEqual(['node_modules/x names where it was downloaded: example.org'])
    const { 'node_modules/helia': _, ...packages } = lock.packages
    expect(lockfileFaults({ packages })).toEqual(['helia is missing'])
  })

  it('sees a lost binary of another platform', () => {
    expect(change('node_modules/x', { version: '1.0.0', optionalDependencies: { 'x-darwin': '1.0.0' } })).toEqual(['node_modules/x has lost x-darwin'])
    expect(change('node_modules/x', { version: '1.0.0', optionalDependencies: { multiformats: '1.0.0' } })).toEqual([])
  })

  it('compares versions by number', () => {
    expect(compareVersions('10.0.0', '9.9.9')).toBeGreaterThan(0)
    expect(compareVersions('1.2.3-beta', '1.2.3')).toBeLessThan(0)
    expect(compareVersions('1.2.3+build', '1.2.3')).toBe(0)
    expect(() => compareVersions('latest', '1.0.0')).toThrow(/no version/)
  })
})
