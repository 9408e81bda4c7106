import { expect, test } from 'vitest';
import {
  fewerPermissions,
  permissionsFor,
  readsMail,
  SIGN_IN_PURPOSES,
} from '../../src/microsoft365/sign-in-purpose.ts';

const everything = SIGN_IN_PURPOSES.flatMap((purpose) => permissionsFor(purpose));

test('a sign-in for anything keeps what the account has of ours, and asks for nothing else', () => {
  for (const purpose of SIGN_IN_PURPOSES) {
    expect(new Set(permissionsFor(purpose, [...everything, 'Calendars.Read']))).toEqual(new Set(everything));
  }
});

test('what was taken back is left out alone, and reading mail last of all', () => {
  const granted = permissionsFor('SENDING_SHARED', permissionsFor('DIRECTORY'));
  const choices = fewerPermissions(granted);
  const without = (...names: string[]) => granted.filter((name) => !names.includes(name));
  expect(choices.slice(0, 3)).toEqual([
    without('Mail.Send', 'Mail.Send.Shared'),
    without('User.Read.All', 'LicenseAssignment.Read.All'),
    without('Mail.ReadWrite.Shared', 'Mail.Send.Shared'),
  ]);
  expect(choices.at(-1)?.toSorted()).toEqual(['Mail.ReadWrite', 'User.Read']);
  for (const choice of choices) expect(readsMail(choice)).toBe(true);
});

test('each choice is made once, and none where nothing can be left out', () => {
  expect(fewerPermissions(['User.Read', 'Mail.ReadWrite'])).toEqual([]);
  expect(fewerPermissions(['User.Read', 'Mail.ReadWrite', 'Mail.Send'])).toEqual([
    ['User.Read', 'Mail.ReadWrite'],
  ]);
  expect(fewerPermissions(['User.Read', 'User.Read.All'])).toEqual([]);
});

test('who may only send does not read', () => {
  expect(readsMail(['Mail.Send'])).toBe(false);
});
