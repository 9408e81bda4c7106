import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { restoreSignInState, saveSignInState } from '../../src/emulator/sign-in-state.ts';
import { authenticate, issueIdToken } from '../../src/emulator/tokens.ts';
import { APP, CONTOSO, type SignInServer, signInByHand, startSignInServer } from './sign-in-harness.ts';

let server: SignInServer;
beforeAll(async () => {
  server = await startSignInServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const refusal = (authorization: string | null) => {
  try {
    return authenticate(server.state, authorization);
  } catch (error) {
    return error;
  }
};

describe('a token for Graph', () => {
  test('tells who calls, for which app, and with which permissions', async () => {
    const { accessToken } = await signInByHand(server);
    expect(authenticate(server.state, `Bearer ${accessToken}`)).toEqual({
      tenantId: CONTOSO,
      userId: '00000000-c0a0-4000-8000-000000000002',
      appId: APP,
      scopes: expect.arrayContaining(['User.Read', 'Mail.ReadWrite', 'Mail.Send']),
      roles: [],
    });
  });

  test('is refused when missing, garbage, changed, or meant for somebody else', async () => {
    const { accessToken } = await signInByHand(server);
    const [header = '', payload = '', signature = ''] = accessToken.split('.');
    const claims = {
      ...JSON.parse(Buffer.from(payload, 'base64url').toString()),
      scp: 'Mail.ReadWrite.Shared',
    };
    const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const sam = server.state.tenants.get(CONTOSO)?.users.get('00000000-c0a0-4000-8000-000000000002');
    if (sam === undefined) throw new Error('no Sam');
    for (const authorization of [
      null,
      '',
      'Bearer ',
      'Basic abc',
      'Bearer garbage',
      'Bearer a.b.c',
      `Bearer ${header}.${forged}.${signature}`,
      `Bearer ${none}.${forged}.`,
      `Bearer ${issueIdToken(server.state, CONTOSO, sam, APP, null)}`,
    ]) {
      expect(refusal(authorization)).toMatchObject({ status: 401, code: 'InvalidAuthenticationToken' });
    }
  });

  test('lives 60 to 90 minutes, or as long as the tenant says, by the clock of the emulator', async () => {
    const usual = await signInByHand(server);
    expect(usual.tokens.expires_in).toBeGreaterThanOrEqual(3_600);
    expect(usual.tokens.expires_in).toBeLessThanOrEqual(5_400);
    await server.control(`/tenants/${CONTOSO}/settings`, { accessTokenSeconds: 60 });
    const short = await signInByHand(server);
    expect(short.tokens.expires_in).toBe(60);
    server.state.clock.advance(61);
    expect((await server.graph('/me', short.accessToken)).status).toBe(401);
    expect((await server.graph('/me', usual.accessToken)).status).toBe(200);
    server.state.clock.reset();
    await server.control(`/tenants/${CONTOSO}/settings`, { accessTokenSeconds: null });
  });

  test('outlives a plain revocation, and ends with one that asks for access tokens too', async () => {
    const { accessToken } = await signInByHand(server, 'mia@contoso.example');
    await server.control('/tokens/revoke', { address: 'mia@contoso.example' });
    expect((await server.graph('/me', accessToken)).status).toBe(200);
    await server.control('/tokens/revoke', { address: 'mia@contoso.example', accessTokensToo: true });
    expect((await server.graph('/me', accessToken)).body.error?.code).toBe('InvalidAuthenticationToken');
    const again = await signInByHand(server, 'mia@contoso.example');
    expect((await server.graph('/me', again.accessToken)).status).toBe(200);
  });
});

test('codes, tokens and the key survive being saved as JSON and read back', async () => {
  const { accessToken, refreshToken } = await signInByHand(server);
  const saved = JSON.parse(JSON.stringify(saveSignInState(server.state.signIn)));
  const restored = { ...server.state, signIn: restoreSignInState(saved) };
  expect(authenticate(restored, `Bearer ${accessToken}`).appId).toBe(APP);
  expect(restored.signIn.refreshTokens.has(refreshToken)).toBe(true);
});
