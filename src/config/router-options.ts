import type { Schema } from './schema.ts'

/** Who is asked over HTTP who has a block: a part of the schema */
export const routerOptions = {
  'routing.routers': {
    type: 'list',
    default: [],
    reason: 'each learns what is read',
    description: 'Routers to ask over HTTP who has a block: URLs of delegated routing endpoints (`/routing/v1`). Not in mode `strict`.',
    env: 'PORTOLAN_ROUTERS',
    flag: 'router',
    placeholder: 'URL',
    maxItems: 8,
    maxLength: 1024
  },
  'routing.ownRouters': {
    type: 'list',
    default: [],
    reason: 'only you know which are yours',
    description: 'The same, of your own: asked in every mode.',
    env: 'PORTOLAN_OWN_ROUTERS',
    flag: 'own-router',
    placeholder: 'URL',
    maxItems: 8,
    maxLength: 1024
  }
} as const satisfies Schema
