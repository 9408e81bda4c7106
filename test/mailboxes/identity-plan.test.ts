import { describe, expect, test } from 'vitest';
import { type KnownIdentity, planIdentities } from '../../src/mailboxes/identity-plan.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const PROBLEM = { code: 'SEND_AS_DENIED', message: 'Denied.', remedy: 'Allow.', since: NOW.toISOString() };
const PRIMARY = 'support@contoso.example';
const ALIAS = 'help@contoso.example';

const known = (emailAddress: string, rest: Partial<KnownIdentity> = {}): KnownIdentity => ({
  emailAddress,
  kind: 'ALIAS',
  status: 'ACTIVE',
  problem: null,
  removedAt: null,
  ...rest,
});
const primary = known(PRIMARY, { kind: 'PRIMARY' });
const plan = (before: KnownIdentity[], aliases: readonly string[] | null, address = PRIMARY) =>
  planIdentities(before, { primary: address, aliases }, NOW);

describe('what the addresses of a mailbox make of its identities', () => {
  test('a new mailbox gets its primary address and every alias, each once, ACTIVE', () => {
    expect(plan([], [ALIAS, ALIAS, PRIMARY])).toEqual([
      { emailAddress: PRIMARY, kind: 'PRIMARY', status: 'ACTIVE', problem: null, removedAt: null },
      { emailAddress: ALIAS, kind: 'ALIAS', status: 'ACTIVE', problem: null, removedAt: null },
    ]);
  });

  test('what is so already changes nothing', () => {
    expect(plan([primary, known(ALIAS)], [ALIAS])).toEqual([]);
  });

  test('an alias that disappears is GONE with what to do, and once only', () => {
    const [gone, ...rest] = plan([primary, known(ALIAS)], []);
    expect(rest).toEqual([]);
    expect(gone).toMatchObject({
      emailAddress: ALIAS,
      status: 'GONE',
      problem: { code: 'IDENTITY_GONE', message: expect.stringContaining(ALIAS) },
    });
    expect(plan([primary, known(ALIAS, { status: 'GONE', problem: gone?.problem ?? null })], [])).toEqual([]);
  });

  test('an alias that comes back is ACTIVE again, without its problem', () => {
    const gone = known(ALIAS, { status: 'GONE', problem: PROBLEM });
    expect(plan([primary, gone], [ALIAS])).toMatchObject([{ status: 'ACTIVE', problem: null }]);
  });

  test('what Microsoft denied stays denied, and what was removed stays removed', () => {
    const denied = known(ALIAS, { status: 'DENIED', problem: PROBLEM });
    const removed = known('old@contoso.example', { removedAt: NOW });
    expect(plan([primary, denied, removed], [ALIAS, 'old@contoso.example'])).toEqual([]);
  });

  test('an address that was added by hand is never GONE; it becomes an alias where it is one', () => {
    const added = known('sales@contoso.example', { kind: 'SEND_AS', status: 'UNVERIFIED' });
    expect(plan([primary, added], [])).toEqual([]);
    expect(plan([primary, added], ['sales@contoso.example'])).toMatchObject([
      { kind: 'ALIAS', status: 'ACTIVE' },
    ]);
  });

  test('where the aliases may not be read nothing is said about them', () => {
    expect(plan([primary, known(ALIAS)], null)).toEqual([]);
  });

  test('a new primary address, also one that had been removed as an alias; the old one becomes an alias', () => {
    const planned = plan([primary, known(ALIAS, { removedAt: NOW })], [PRIMARY], ALIAS);
    expect(planned).toMatchObject([
      { emailAddress: ALIAS, kind: 'PRIMARY', removedAt: null },
      { emailAddress: PRIMARY, kind: 'ALIAS', status: 'ACTIVE' },
    ]);
    expect(plan([primary], null, ALIAS)).toMatchObject([
      { emailAddress: ALIAS, kind: 'PRIMARY' },
      { emailAddress: PRIMARY, kind: 'ALIAS', status: 'UNVERIFIED' },
    ]);
  });

  test('of more aliases than Exchange gives, 500 identities are made', () => {
    const many = Array.from({ length: 700 }, (_, index) => `a${index}@contoso.example`);
    expect(plan([], many)).toHaveLength(500);
  });
});
