import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APP, CONTOSO, type SignInServer, signInByHand, startSignInServer } from './sign-in-harness.ts';

let server: SignInServer;
let sam = '';
let app = '';
beforeAll(async () => {
  server = await startSignInServer();
  sam = (await signInByHand(server)).accessToken;
  const { body } = await server.token({
    grant_type: 'client_credentials',
    client_id: APP,
    client_secret: 'any',
    scope: 'https://graph.microsoft.com/.default',
  });
  app = body.access_token ?? '';
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe('the profile of a user', () => {
  test('has the default properties, and others only when they are selected', async () => {
    const { body } = await server.graph('/me', sam);
    expect(body).toMatchObject({ mail: 'sam@contoso.example', surname: 'Support', businessPhones: [] });
    expect(body).not.toHaveProperty('proxyAddresses');
    const selected = await server.graph('/me?$select=id,mail,proxyAddresses', sam);
    expect(selected.body).toEqual({
      '@odata.context': expect.stringContaining('#users(id,mail,proxyAddresses)/$entity'),
      id: '00000000-c0a0-4000-8000-000000000002',
      mail: 'sam@contoso.example',
      proxyAddresses: ['SMTP:sam@contoso.example'],
    });
  });

  test('is found by id and by any address, in the own tenant only', async () => {
    const byAlias = await server.graph('/users/help@contoso.example?$select=id,accountEnabled', app);
    expect(byAlias.body).toMatchObject({ accountEnabled: false });
    expect((await server.graph(`/users/${byAlias.body.id}`, app)).status).toBe(200);
    const foreign = await server.graph('/users/dave@fabrikam.example', app);
    expect([foreign.status, foreign.body.error?.code]).toEqual([404, 'Request_ResourceNotFound']);
  });

  test('of somebody else needs a permission for it, the own one does not', async () => {
    expect((await server.graph('/users/sam@contoso.example', sam)).status).toBe(200);
    const other = await server.graph('/users/ada@contoso.example', sam);
    expect([other.status, other.body.error?.code]).toEqual([403, 'Authorization_RequestDenied']);
  });

  test('cannot be /me for an app without user, nor have properties that do not exist', async () => {
    expect((await server.graph('/me', app)).status).toBe(400);
    expect((await server.graph('/me?$select=shoeSize', sam)).status).toBe(400);
  });
});

test('the organization is the own one', async () => {
  const { body } = await server.graph('/organization', sam);
  expect(body).toMatchObject({ value: [{ id: CONTOSO, displayName: 'Contoso' }] });
});

test('nothing is answered without a token', async () => {
  for (const path of ['/me', '/users/ada@contoso.example', '/organization']) {
    const { status, body } = await server.graph(path, 'garbage');
    expect([status, body.error?.code]).toEqual([401, 'InvalidAuthenticationToken']);
  }
});
