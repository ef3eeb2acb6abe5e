import { readFile } from 'node:fs/promises'
import { redisOptions } from '../cache/shared/redis-options.ts'
import { redisTier } from '../cache/shared/redis-tier.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { fileProblem } from '../privacy/proofs/bounded-file.ts'
import { expand } from './file.ts'
import { readPrivateFile } from './private-file.ts'
import type { LoadedConfig } from './load.ts'
import type { schema } from './schema.ts'
import type { RedisTierInit } from '../cache/shared/redis-options.ts'
import type { SharedTier, SharedTierComponents, SharedTierFactory } from '../cache/shared/shared-tier.ts'

type Config = Pick<LoadedConfig<typeof schema>, 'values'>

/** The shared cache that is configured, or undefined. Its files are read when it is opened and not before. */
export function sharedCache ({ values }: Config): SharedTierFactory | undefined {
  const init = tierInit(values)
  const caFile = values['sharedCache.caFile']

  if (init == null || caFile === '') {
    return init == null ? undefined : redisTier(init)
  }
  const open = async (components: SharedTierComponents): Promise<SharedTier> => redisTier({ ...init, ca: await authorities(expand(caFile)) })(components)
  return Object.assign(open, { location: redisTier(init).location })
}

/** What can be known to be wrong without opening anything; `source` is where the URL came from */
export function checkSharedCache (values: Config['values'], source: string): void {
  const init = tierInit(values)
  const rest = ['sharedCache.username', 'sharedCache.password', 'sharedCache.passwordFile', 'sharedCache.caFile'] as const
  const alone = rest.find(key => values[key] !== '')

  if (init == null) {
    if (alone != null) {
      throw new InvalidOptionError(`there is no shared cache, and ${alone} is set: say where it is (sharedCache.url, --shared-cache URL)`)
    }
    return
  }
  const { server } = redisOptions(init)

  if (values['sharedCache.password'] !== '' && values['sharedCache.passwordFile'] !== '') {
    throw new InvalidOptionError('there is a password and a file with one: leave sharedCache.password or sharedCache.passwordFile out')
  }
  if (values['sharedCache.caFile'] !== '' && !server.tls) {
    throw new InvalidOptionError('there is a certificate authority (sharedCache.caFile), but the URL begins with redis:// and so is without TLS: write rediss://')
  }
  if (source.startsWith('--') && URL.parse(init.url)?.password !== '') {
    throw new InvalidOptionError('there is a password in the flag, which everybody on this machine can read: use PORTOLAN_SHARED_CACHE_PASSWORD or PORTOLAN_SHARED_CACHE_PASSWORD_FILE')
  }
}

function tierInit (values: Config['values']): RedisTierInit | undefined {
  const url = values['sharedCache.url']
  const file = values['sharedCache.passwordFile']

  return url === ''
    ? undefined
    : {
        url,
        username: given(values['sharedCache.username']),
        password: file === '' ? given(values['sharedCache.password']) : async () => passwordIn(expand(file)),
        keyPrefix: values['sharedCache.keyPrefix'],
        maxBlockBytes: values['sharedCache.maxBlockSize'],
        ttl: values['sharedCache.ttl'],
        timeout: values['sharedCache.timeout']
      }
}

function given (text: string): string | undefined {
  return text === '' ? undefined : text
}

async function passwordIn (file: string): Promise<string> {
  const content = await readPrivateFile(file)
  if (content == null) {
    throw new InvalidOptionError(`the file ${file} with the password of the shared cache does not exist`)
  }
  return content.text.replace(/[\r\n]+$/, '')
}

async function authorities (file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (err) {
    throw new InvalidOptionError(`the file ${file} with the certificate authorities of the shared cache cannot be read: ${fileProblem(err)}`, { cause: err })
  }
}
