import { describe, expect, test } from 'vitest';
import { graphUrlOf, isUnder, loginUrlOf, swapRoot } from '../../src/microsoft365/endpoints.ts';
import { checkReturnTo } from '../../src/microsoft365/return-to.ts';

const NONE = { loginUrl: null, graphUrl: null };
const EMULATOR = { loginUrl: 'http://127.0.0.1:4010', graphUrl: 'http://127.0.0.1:4010/graph' };

describe('a request of Graph', () => {
  test.each([
    ['a path', NONE, '/me/messages', 'https://graph.microsoft.com/v1.0/me/messages'],
    ['a path, redirected', EMULATOR, '/me', 'http://127.0.0.1:4010/graph/v1.0/me'],
    ['a link', NONE, 'https://graph.microsoft.com/v1.0/x?a=%2B', 'https://graph.microsoft.com/v1.0/x?a=%2B'],
    [
      'a link, redirected',
      EMULATOR,
      'https://graph.microsoft.com/v1.0/x?a=%2B',
      'http://127.0.0.1:4010/graph/v1.0/x?a=%2B',
    ],
    [
      'a link of the replacement',
      EMULATOR,
      'http://127.0.0.1:4010/graph/v1.0/x',
      'http://127.0.0.1:4010/graph/v1.0/x',
    ],
    ['beside the replacement', EMULATOR, 'http://127.0.0.1:4010/graphics/v1.0/x', null],
    ['out of the replacement', EMULATOR, 'http://127.0.0.1:4010/graph/../secret', null],
    ['a look-alike', NONE, 'https://graph.microsoft.com.evil.example/v1.0/x', null],
    ['a look-alike with a user name', NONE, 'https://graph.microsoft.com@evil.example/', null],
    ['a user name at the right host', NONE, 'https://a:b@graph.microsoft.com/v1.0/x', null],
    ['without TLS', NONE, 'http://graph.microsoft.com/v1.0/x', null],
    ["another cloud's host", NONE, 'https://graph.microsoft.us/v1.0/x', null],
    ['nothing', NONE, '', null],
  ])('%s', (_name, overrides, target, expected) => {
    expect(graphUrlOf('GLOBAL', overrides, target)).toBe(expected);
  });

  test('a path that begins with two slashes stays under the root', () => {
    expect(graphUrlOf('GLOBAL', NONE, '//evil.example/x')).toBe(
      'https://graph.microsoft.com/v1.0//evil.example/x',
    );
  });

  test('the other clouds keep their hosts beside an emulator', () => {
    expect(graphUrlOf('US_GOVERNMENT_DOD', EMULATOR, '/me')).toBe('https://dod-graph.microsoft.us/v1.0/me');
  });
});

describe('a request of the sign-in service', () => {
  const path = '/common/oauth2/v2.0/token';
  test.each([
    [NONE, `https://login.microsoftonline.com${path}`, `https://login.microsoftonline.com${path}`],
    [EMULATOR, `https://login.microsoftonline.com${path}`, `http://127.0.0.1:4010${path}`],
    [EMULATOR, `https://login.microsoftonline.us${path}`, `https://login.microsoftonline.us${path}`],
    [EMULATOR, `https://login.evil.example${path}`, null],
    [NONE, `http://127.0.0.1:4010${path}`, null],
  ])('%o %s', (overrides, url, expected) => {
    expect(loginUrlOf(overrides, url)).toBe(expected);
  });
});

test('a root is a whole host and whole path segments', () => {
  expect(isUnder('https://a.example/b/c', 'https://a.example/b')).toBe(true);
  expect(isUnder('https://a.example/bc', 'https://a.example/b')).toBe(false);
  expect(isUnder('https://a.example', 'https://a.example/')).toBe(true);
  expect(swapRoot('https://a.example/b?x#y', 'https://a.example', 'http://c/')).toBe('http://c/b?x');
  expect(swapRoot('https://other.example/b', 'https://a.example', 'http://c')).toBe(
    'https://other.example/b',
  );
});

describe('where the browser goes after a sign-in', () => {
  test.each([
    ['/settings?tab=mail#top', 'https://desk.example', '/settings?tab=mail#top'],
    ['/', 'https://desk.example', '/'],
    ['/desk/settings', 'https://example.com/desk', '/desk/settings'],
  ])('%s under %s', (returnTo, publicUrl, expected) => {
    expect(checkReturnTo(returnTo, publicUrl)).toBe(expected);
  });

  test.each([
    ['https://evil.example/', 'https://desk.example'],
    ['//evil.example', 'https://desk.example'],
    ['/\\evil.example', 'https://desk.example'],
    ['/\t/evil.example', 'https://desk.example'],
    ['javascript:alert(1)', 'https://desk.example'],
    ['', 'https://desk.example'],
    ['/elsewhere', 'https://example.com/desk'],
    ['/desk/../elsewhere', 'https://example.com/desk'],
    [`/${'a'.repeat(3_000)}`, 'https://desk.example'],
  ])('never %s under %s', (returnTo, publicUrl) => {
    expect(() => checkReturnTo(returnTo, publicUrl)).toThrow(/not a path on this server/);
  });

  test('nowhere is allowed', () => expect(checkReturnTo(null, 'https://desk.example')).toBeNull());
});
