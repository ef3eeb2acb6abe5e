// Writes docs/benchmarks.md from the runs that are saved in bench/results: node scripts/figures.ts
import { writeFileSync } from 'node:fs'
import { figuresPage } from './figures-page.ts'
import { savedReports } from './saved-reports.ts'

writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), figuresPage(savedReports()))
