import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** What goes before a command so that permissions of files hold for it, which they do not for root; `undefined` where nothing does that */
export const UNPRIVILEGED: readonly string[] | undefined = ((): readonly string[] | undefined => {
  if (process.getuid == null) {
    return
  }
  if (process.getuid() !== 0) {
    return []
  }
  return process.platform === 'linux' ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : undefined
})()

/** What the code, the body of an async function that finds the module's exports in `exports`, returns when permissions hold for it */
export async function unprivileged (module: URL, code: string): Promise<unknown> {
  const [command = '', ...args] = [...UNPRIVILEGED ?? [], process.execPath, '--input-type=module', '--eval', `
    const exports = await import(${JSON.stringify(module.href)})
    console.log(JSON.stringify(await (async () => { ${code} })()))
  `]
  const { stdout } = await exec(command, args)
  return JSON.parse(stdout)
}
