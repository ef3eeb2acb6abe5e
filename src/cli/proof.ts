import { MembershipGroup } from '../privacy/proofs/membership-group.ts'
import { GROUP_NAME } from '../privacy/proofs/membership.ts'
import { createNonce } from '../privacy/proofs/report-digest.ts'
import { quote } from '../interface/quote.ts'
import { EXIT_OK, UsageError } from './exit-code.ts'
import { fileSink } from './output-file.ts'
import { groupOfEntries } from './proof-group.ts'
import { membershipEntry } from './proof-join.ts'
import { wholeNumber } from './proof-numbers.ts'
import type { CommandContext } from './command.ts'

export { verify } from './proof-verify.ts'

/** Ten years: a key that nobody has seen for so long is nobody's */
const MAX_DAYS = 3660

/** `portolan proof join NAME` */
export async function join (context: CommandContext): Promise<number> {
  const name = groupName(context)
  await write(context, await membershipEntry(context, name, wholeNumber(context.flags, 'days', 1, MAX_DAYS)))
  context.stderr.write(`This is the entry of this node for the group ${name}: nothing in it is secret. Give it to whoever keeps the file of the group.\n`)
  return EXIT_OK
}

/** `portolan proof group NAME FILE...` */
export async function group (context: CommandContext): Promise<number> {
  const { clock, signal, stderr, positionals } = context
  const text = await groupOfEntries(context, groupName(context), positionals.slice(2), wholeNumber(context.flags, 'days', 1, MAX_DAYS))
  const made = await MembershipGroup.parse(text, { signal })
  const { name, size, depth, window, epochMs, validFrom, validUntil } = made

  await write(context, text)
  stderr.write(`The group ${name}: ${size} members, depth ${depth}, a claim in ${epochMs / 3_600_000} h each${window === 0 ? '' : `, the last ${window} to join may be missing`}; valid from ${day(validFrom)} to ${day(validUntil)}${made.isValid(clock.wall()) ? '' : ', which is not now'}. All who prove and verify need this file.\n`)
  return EXIT_OK
}

/** `portolan proof nonce` */
export async function nonce ({ stdout }: CommandContext): Promise<number> {
  stdout.write(`${createNonce()}\n`)
  return EXIT_OK
}

function groupName ({ positionals }: CommandContext): string {
  const [, name = ''] = positionals

  if (!GROUP_NAME.test(name)) {
    throw new UsageError(`the name of a group is 1 to 64 letters, digits, ".", "_" or "-", got ${quote(name, 80)}`)
  }
  return name
}

function day (wall: number): string {
  return new Date(wall).toISOString().slice(0, 10)
}

async function write ({ stdout, stderr, flags }: CommandContext, text: string): Promise<void> {
  const { output } = flags as { output?: string }

  if (output == null || output === '-') {
    stdout.write(text)
    return
  }
  const sink = await fileSink(output)
  try {
    await sink.write(new TextEncoder().encode(text))
    await sink.commit()
  } finally {
    await sink.abandon()
  }
  stderr.write(`written to ${output}\n`)
}
