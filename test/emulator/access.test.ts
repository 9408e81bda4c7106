import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MailServer, startMailServer } from './mail-harness.ts';

const SUPPORT = 'support@contoso.example'; // Ada and Sam have full access, Mia has not
let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function codeOf(path: string, token: string, method = 'GET'): Promise<string | number> {
  const body = method === 'GET' ? {} : { body: { displayName: 'x' } };
  const answer = await server.graph(method, path, { token, ...body });
  return answer.body.error?.code ?? answer.status;
}

test('without a token, or with one that was tampered with, the answer is 401 in the form of Graph', async () => {
  const answer = await server.graph('GET', '/me/messages', {
    token: 'nonsense',
    headers: { 'client-request-id': 'mine-1' },
  });
  expect(answer.status).toBe(401);
  expect(answer.body.error?.code).toBe('InvalidAuthenticationToken');
  expect(answer.headers.get('client-request-id')).toBe('mine-1');
  expect(answer.body.error?.innerError).toMatchObject({
    'request-id': answer.headers.get('request-id'),
    'client-request-id': 'mine-1',
    date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/),
  });
});

test('people read their own mailbox with Mail.Read and change it with Mail.ReadWrite only', async () => {
  const reader = server.token('sam@contoso.example', ['Mail.Read']);
  expect(await codeOf('/me/mailFolders', reader)).toBe(200);
  expect(await codeOf('/users/sam@contoso.example/mailFolders', reader)).toBe(200);
  expect(await codeOf('/me/mailFolders', reader, 'POST')).toBe('ErrorAccessDenied');
  expect(await codeOf('/me/mailFolders', server.token('sam@contoso.example', ['User.Read']))).toBe(
    'ErrorAccessDenied',
  );
});

test('a shared mailbox opens with a .Shared permission and full access, not with one of the two', async () => {
  const path = `/users/${SUPPORT}/mailFolders`;
  expect(await codeOf(path, server.token('sam@contoso.example', ['Mail.Read.Shared']))).toBe(200);
  expect(await codeOf(path, server.token('sam@contoso.example', ['Mail.ReadWrite']))).toBe(
    'ErrorAccessDenied',
  );
  expect(await codeOf(path, server.token('mia@contoso.example', ['Mail.Read.Shared']))).toBe(
    'ErrorAccessDenied',
  );
  expect(await codeOf('/me/mailFolders', server.token('sam@contoso.example', ['Mail.Read.Shared']))).toBe(
    200,
  );
});

test('an alias and the user id lead to the same mailbox as the address', async () => {
  const token = server.token(null);
  expect(await codeOf('/users/help@contoso.example/mailFolders', token)).toBe(200);
  expect(await codeOf('/users/00000000-c0a0-4000-8000-000000000010/mailFolders', token)).toBe(200);
});

test('an application reads every mailbox of its tenant and none of another', async () => {
  const contoso = server.token(null, ['Mail.Read']);
  expect(await codeOf('/users/mia@contoso.example/messages', contoso)).toBe(200);
  expect(await codeOf('/users/carol@fabrikam.example/messages', contoso)).toBe('ErrorInvalidUser');
  expect(await codeOf('/me/messages', contoso)).toBe('BadRequest');
  const fabrikam = server.token(null, ['Mail.Read'], { tenant: 'fabrikam.example' });
  expect(await codeOf('/users/carol@fabrikam.example/messages', fabrikam)).toBe(200);
  expect(
    await codeOf(
      '/users/carol@fabrikam.example/messages',
      server.token(null, [], { tenant: 'fabrikam.example' }),
    ),
  ).toBe('ErrorAccessDenied');
});

test('a user without a mailbox answers 404 MailboxNotEnabledForRESTAPI, an unknown one ErrorInvalidUser', async () => {
  const token = server.token(null);
  const noMailbox = await server.graph('GET', '/users/nora@contoso.example/messages', { token });
  expect([noMailbox.status, noMailbox.body.error?.code]).toEqual([404, 'MailboxNotEnabledForRESTAPI']);
  const unknown = await server.graph('GET', '/users/nobody@contoso.example/messages', { token });
  expect([unknown.status, unknown.body.error?.code]).toEqual([404, 'ErrorInvalidUser']);
});

test('a call the emulator does not have answers 404 in the form of Graph', async () => {
  expect(await codeOf('/users/sam@contoso.example/calendar', server.token(null))).toBe('ResourceNotFound');
});
