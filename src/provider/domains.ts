import { addressEndpoint, isRelayed } from './endpoint.ts'
import { parseHost, privateReason } from './host.ts'
import { formatIP, network } from './ip.ts'
import { embeddedIPv4 } from './special-ranges.ts'
import type { AddressPolicy } from './address.ts'
import type { Host } from './host.ts'
import type { IPBytes } from './ip.ts'

/**
 * Suffixes under which unrelated people register names. By no means the whole
 * public suffix list (200 kB): the second levels of the countries that most
 * providers are in, and the services that give every peer a name of its own.
 * A suffix missing here makes strangers share an operator, which costs a
 * little choice and no correctness.
 */
const SHARED_SUFFIXES: ReadonlySet<string> = new Set([
  'co.uk', 'org.uk', 'ac.uk', 'gov.uk', 'me.uk', 'com.au', 'net.au', 'org.au', 'edu.au', 'co.nz', 'org.nz', 'co.jp', 'ne.jp', 'or.jp', 'ac.jp', 'co.kr', 'or.kr',
  'com.br', 'net.br', 'org.br', 'com.cn', 'net.cn', 'org.cn', 'com.hk', 'com.tw', 'com.sg', 'co.in', 'net.in', 'co.za', 'org.za', 'com.mx', 'com.ar', 'com.tr', 'co.il', 'com.ua', 'co.id', 'com.pl',
  'libp2p.direct', 'duckdns.org', 'ddns.net', 'dyndns.org', 'ts.net'
])

/**
 * What would take this provider down together with others: the /24 or /48 of
 * an IP address, the host and the operator (the registered domain) of a name.
 *
 * Addresses that share nothing give none: loopback and allow-listed ones
 * (`policy.exempt`), and private ones that nobody named, since every second
 * peer of the public network announces the same 192.168.1.0/24. Relayed
 * addresses count only where there is no direct one.
 */
export function failureDomains (addresses: readonly string[], policy: AddressPolicy): string[] {
  const direct = addresses.filter((address) => !isRelayed(address))
  const domains = new Set<string>()

  for (const address of direct.length > 0 ? direct : addresses) {
    const host = parseHost(addressEndpoint(address)?.host ?? '')

    if (host == null || privateReason(host) != null || policy.exempt(host.text)) {
      continue
    }

    for (const domain of domainsOf(host)) {
      domains.add(domain)
    }
  }

  return [...domains]
}

function domainsOf (host: Host): string[] {
  return host.ip == null ? [`host:${host.text}`, `operator:${operator(host.text)}`] : [neighbourhood(host.ip)]
}

function neighbourhood (ip: IPBytes): string {
  const base = embeddedIPv4(ip) ?? ip
  const range = network({ base, prefix: base.byteLength === 4 ? 24 : 48 })

  return `ip${base.byteLength === 4 ? 4 : 6}:${formatIP(range.base)}/${range.prefix}`
}

function operator (name: string): string {
  const labels = name.split('.')
  const two = labels.slice(-2).join('.')

  return SHARED_SUFFIXES.has(two) ? labels.slice(-3).join('.') : two
}
