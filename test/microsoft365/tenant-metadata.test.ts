import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { findTenant } from '../../src/microsoft365/tenant-metadata.ts';

const TENANT_ID = '11111111-c0a0-4000-8000-000000000000';
const METADATA = {
  issuer: `https://login.microsoftonline.com/${TENANT_ID}/v2.0`,
  cloud_instance_name: 'microsoftonline.com',
  msgraph_host: 'graph.microsoft.com',
};

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Asks a sign-in service that answers like this. */
async function find(answer: RequestListener): Promise<string | null> {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((listening) => started.listen(0, '127.0.0.1', listening));
  const { port } = started.address() as AddressInfo;
  return await findTenant(
    { loginUrl: `http://127.0.0.1:${port}`, graphUrl: null },
    'GLOBAL',
    'contoso.example',
  );
}

test('the tenant id comes from the metadata (a control)', async () => {
  expect(await find((_, response) => response.end(JSON.stringify(METADATA)))).toBe(TENANT_ID);
});

test('metadata that lies elsewhere is not fetched: the sign-in service does not send anybody away', async () => {
  const asked: (string | undefined)[] = [];
  const answered = find((request, response) => {
    asked.push(request.url);
    if (request.url === '/elsewhere') response.end(JSON.stringify(METADATA));
    else response.writeHead(302, { location: '/elsewhere' }).end();
  });
  await expect(answered).rejects.toMatchObject({ code: 'SIGN_IN_UNAVAILABLE' });
  expect(asked).toEqual(['/contoso.example/v2.0/.well-known/openid-configuration']);
});

test.each(['declared', 'undeclared'])('an answer without end is not read to its end (%s)', async (length) => {
  const body = JSON.stringify({ ...METADATA, padding: 'x'.repeat(256 * 1024) });
  const answered = find((_, response) => {
    if (length === 'declared') response.setHeader('content-length', Buffer.byteLength(body));
    response.write(body.slice(0, 1_000));
    response.end(body.slice(1_000));
  });
  await expect(answered).rejects.toMatchObject({ code: 'SIGN_IN_UNAVAILABLE' });
});
