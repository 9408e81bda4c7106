import { expect, test } from 'vitest';
import { appearanceOf, type ShownSender } from '../../src/mailboxes/appearance.ts';

const mailbox = { emailAddress: 'support@contoso.example', displayName: 'Contoso Support' };
const primary = { emailAddress: mailbox.emailAddress, kind: 'PRIMARY' as const };
const alias = { emailAddress: 'help@contoso.example', kind: 'ALIAS' as const };
const AT = new Date('2026-11-21T12:00:00Z');
const shown = (
  wanted: { name: string; emailAddress: string },
  seen: { name: string; emailAddress: string },
): ShownSender => ({ wanted, shown: seen, at: AT });
const kindsOf = ({ warnings }: ReturnType<typeof appearanceOf>) => warnings.map(({ kind }) => kind);

test('the primary address under the name of the mailbox is shown as it is', () => {
  expect(appearanceOf(primary, mailbox, 'Contoso Support', null)).toEqual({
    name: 'Contoso Support',
    emailAddress: mailbox.emailAddress,
    seenAt: null,
    warnings: [],
  });
});

test('another name is warned of before it is saved, with the name that may take its place', () => {
  const appearance = appearanceOf(primary, mailbox, 'Anna', null);
  expect(kindsOf(appearance)).toEqual(['NAME_MAY_BE_REPLACED']);
  expect(appearance.warnings[0]?.message).toContain('Contoso Support');
});

test('an alias is warned of, with the command that lets Exchange send as it', () => {
  const appearance = appearanceOf(alias, mailbox, 'Contoso Support', null);
  expect(kindsOf(appearance)).toEqual(['ADDRESS_MAY_BE_REPLACED']);
  expect(appearance.warnings[0]?.remedy).toContain('SendFromAliasEnabled');
});

test('a sent mail that showed what was asked for takes the warnings away', () => {
  const wanted = { name: 'Anna', emailAddress: alias.emailAddress };
  const appearance = appearanceOf(alias, mailbox, 'Anna', shown(wanted, wanted));
  expect(appearance).toEqual({ ...wanted, seenAt: AT, warnings: [] });
});

test('a sent mail that showed something else says what, with both', () => {
  const wanted = { name: 'Anna', emailAddress: alias.emailAddress };
  const seen = { name: 'Contoso Support', emailAddress: mailbox.emailAddress };
  const appearance = appearanceOf(alias, mailbox, 'Anna', shown(wanted, seen));
  expect(appearance).toMatchObject({ ...seen, seenAt: AT });
  expect(kindsOf(appearance)).toEqual(['ADDRESS_WAS_REPLACED', 'NAME_WAS_REPLACED']);
});

test('what was seen under another name tells nothing of this one', () => {
  const wanted = { name: 'Anna', emailAddress: primary.emailAddress };
  expect(kindsOf(appearanceOf(primary, mailbox, 'Bert', shown(wanted, wanted)))).toEqual([
    'NAME_MAY_BE_REPLACED',
  ]);
});
