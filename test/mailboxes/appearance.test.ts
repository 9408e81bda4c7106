import { describe, expect, test } from 'vitest';
import { appearanceOf, type ShownSender } from '../../src/mailboxes/appearance.ts';

const mailbox = { emailAddress: 'support@contoso.example', displayName: 'Contoso Support' };
const primary = { emailAddress: mailbox.emailAddress, kind: 'PRIMARY' as const };
const alias = { emailAddress: 'help@contoso.example', kind: 'ALIAS' as const };
const AT = new Date('2026-11-21T12:00:00Z');
const shown = (
  wanted: { name: string; emailAddress: string },
  seen: { name: string; emailAddress: string },
  sender: ShownSender['sender'] = seen,
): ShownSender => ({ wanted, shown: seen, sender, at: AT });
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

describe('Send on Behalf', () => {
  const wanted = { name: 'Contoso Support', emailAddress: mailbox.emailAddress };
  const agent = { name: 'Anna', emailAddress: 'anna@contoso.example' };

  test('a sent mail that names somebody else as its sender is warned of, with what recipients see', () => {
    const { warnings } = appearanceOf(primary, mailbox, wanted.name, shown(wanted, wanted, agent));
    expect(warnings.map(({ kind }) => kind)).toEqual(['SENT_ON_BEHALF']);
    expect(warnings[0]?.message).toContain('"Anna on behalf of Contoso Support"');
  });

  test('it does not depend on the name, and tells nothing of another address', () => {
    const last = shown(wanted, wanted, agent);
    expect(kindsOf(appearanceOf(primary, mailbox, 'Bert', last))).toEqual([
      'SENT_ON_BEHALF',
      'NAME_MAY_BE_REPLACED',
    ]);
    expect(kindsOf(appearanceOf(alias, mailbox, wanted.name, last))).toEqual(['ADDRESS_MAY_BE_REPLACED']);
  });

  test('the mailbox itself behind its alias is nobody else; behind a list’s address it is', () => {
    const sent = { name: 'Contoso Support', emailAddress: alias.emailAddress };
    const last = shown(sent, sent, wanted);
    expect(kindsOf(appearanceOf(alias, mailbox, sent.name, last))).toEqual([]);
    expect(kindsOf(appearanceOf({ ...alias, kind: 'SEND_AS' }, mailbox, sent.name, last))).toEqual([
      'SENT_ON_BEHALF',
    ]);
  });

  test('a copy whose sender was not read says nothing', () => {
    expect(kindsOf(appearanceOf(primary, mailbox, wanted.name, shown(wanted, wanted, null)))).toEqual([]);
  });
});
