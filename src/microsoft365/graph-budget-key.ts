import { createHash } from 'node:crypto';

/** Whom Microsoft counts together. */
export interface BudgetOwner {
  /** The app registration. */
  clientId: string;
  /**
   * The tenant of the account. It is part of the key for our own sake: whoever names the app and the mailbox of somebody
   * else, but signs in elsewhere, neither learns anything nor slows anybody down.
   */
  tenantId: string;
  /** The mailbox. */
  emailAddress: string;
}

/** The name under which all processes know a budget: a digest, which says nothing about whose it is. */
export function budgetKey({ clientId, tenantId, emailAddress }: BudgetOwner): string {
  return createHash('sha256')
    .update(JSON.stringify([clientId, tenantId, emailAddress].map((part) => part.toLowerCase())))
    .digest('hex');
}

/** The advisory locks of a budget: one for each of its `slots`, and one to be held while several are gathered. */
export function budgetLocks(key: string, slots: number): { slots: string[]; gathering: string } {
  const lock = (name: string) =>
    createHash('sha256').update(`graph-slot ${key} ${name}`).digest().readBigInt64BE().toString();
  return {
    slots: Array.from({ length: slots }, (_, slot) => lock(String(slot))),
    gathering: lock('gathering'),
  };
}
