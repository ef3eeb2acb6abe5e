// Writes docs/configuration.md from the schema: node scripts/configuration-doc.ts
import { writeFileSync } from 'node:fs'
import { configurationDocument } from '../src/config/document.ts'
import { schema } from '../src/config/schema.ts'

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationDocument(schema))
