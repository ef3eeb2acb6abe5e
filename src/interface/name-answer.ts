/** Codes of a resolver that has asked, and was told that there is no such name, or nothing of that kind under it */
const ANSWERS = new Set(['ENOTFOUND', 'ENODATA'])

/** Does an error of a lookup say what somebody has answered? Then the name was asked for. */
export function isNameAnswer (error: unknown): boolean {
  return ANSWERS.has((error as { readonly code?: string } | undefined)?.code ?? '')
}
