import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { LARGEST_FILE_BYTES } from '../../src/microsoft365/mail-upload.ts';
import { sweepUploadsJob } from '../../src/outbound/sweep-uploads.ts';
import { Upload } from '../../src/outbound/upload.entity.ts';
import { DAY } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { StoredContent } from '../../src/ticketing/stored-content.entity.ts';
import { sweepContentsJob } from '../../src/ticketing/sweep-contents.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

const LISTED = 'https://spa.example';
let app: TestApp;
let desk: Desk;
beforeAll(async () => {
  app = await startTestApp({}, { env: { DESKGRAPH_CORS_ORIGINS: LISTED } });
  desk = await app.newDesk('Uploads');
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Announced {
  upload: { id: string; name: string; sizeBytes: number };
  uploadUrl: string;
  code?: string;
}

async function announce(
  sizeBytes: number,
  { name = 'report.pdf', contentType = 'application/pdf', key = desk.apiKey } = {},
): Promise<Announced> {
  const { createUpload } = await graphqlRequest<{ createUpload: Announced }>(
    app.url,
    key,
    `mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
       ... on CreateUploadPayload { upload { id name sizeBytes expiresAt } uploadUrl }
       ... on Error { code message remedy } } }`,
    { input: { name, contentType, sizeBytes } },
  );
  return createUpload;
}

/** The address under which the test reaches the route: the answer names the public one. */
const here = ({ uploadUrl }: Announced) => `${app.url}${new URL(uploadUrl).pathname}`;

async function put(
  announced: Announced,
  content: Uint8Array<ArrayBuffer> | ReadableStream,
  { key = desk.apiKey, headers = {} }: { key?: string | null; headers?: Record<string, string> } = {},
) {
  const response = await fetch(here(announced), {
    method: 'PUT',
    headers: { ...(key && { authorization: `Bearer ${key}` }), ...headers },
    body: content,
    ...(content instanceof ReadableStream && { duplex: 'half' }),
  });
  const body = (await response.json()) as {
    upload?: { id: string; sha256: string; sizeBytes: number };
    errors?: { extensions: { code: string } }[];
  };
  return { status: response.status, body, code: body.errors?.[0]?.extensions.code };
}

const bytes = (size: number, seed = 1): Uint8Array<ArrayBuffer> => {
  const content = new Uint8Array(size);
  for (let i = 0; i < size; i += 1) content[i] = (i * seed + (i >> 8)) & 0xff;
  return content;
};
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');
const rowOf = (announced: Announced) =>
  forkFor(app.database, desk.organizationId).findOne(Upload, {
    id: Buffer.from(announced.upload.id, 'base64url').toString().split(':')[1] ?? '',
  });

describe('an upload', () => {
  test.each([1, 1_048_577, 20 * 1024 * 1024])('of %i bytes arrives as it was', async (size) => {
    const content = bytes(size);
    const announced = await announce(size);
    const { status, body } = await put(announced, content);
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        upload: { id: announced.upload.id, name: 'report.pdf', sizeBytes: size, sha256: sha256(content) },
      },
    });
  });

  test('may come in pieces, without a length', async () => {
    const content = bytes(100_000);
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 10; i += 1) controller.enqueue(content.slice(i * 10_000, (i + 1) * 10_000));
        controller.close();
      },
    });
    expect((await put(await announce(100_000), stream)).body.upload?.sha256).toBe(sha256(content));
  });

  test('has exactly the size that was announced, by its header or by what comes', async () => {
    const announced = await announce(1_000);
    for (const size of [999, 1_001]) {
      expect(await put(announced, bytes(size))).toMatchObject({ status: 400, code: 'UPLOAD_SIZE_MISMATCH' });
      const stream = new Blob([bytes(size)]).stream();
      expect(await put(announced, stream)).toMatchObject({ status: 400, code: 'UPLOAD_SIZE_MISMATCH' });
    }
    expect((await rowOf(announced))?.storedContentId).toBeNull();
    expect((await put(announced, bytes(1_000))).status).toBe(200);
  });

  test('that breaks off leaves nothing, and is sent again from its beginning', async () => {
    const content = bytes(5 * 1024 * 1024, 7);
    const announced = await announce(content.length);
    await new Promise<void>((resolve) => {
      const request = httpRequest(here(announced), {
        method: 'PUT',
        headers: { authorization: `Bearer ${desk.apiKey}`, 'content-length': content.length },
      });
      request.on('error', () => resolve());
      request.on('close', () => resolve());
      request.write(content.subarray(0, 3 * 1024 * 1024), () => request.destroy());
    });
    expect((await rowOf(announced))?.storedContentId).toBeNull();
    expect((await put(announced, content)).body.upload?.sha256).toBe(sha256(content));
  });

  test('that is sent again changes nothing, whatever comes', async () => {
    const content = bytes(2_000);
    const announced = await announce(2_000);
    const first = await put(announced, content);
    expect(await put(announced, bytes(2_000, 3))).toEqual(first);
  });

  test('that two send at once is stored once', async () => {
    const content = bytes(2_000_000, 11);
    const announced = await announce(content.length);
    const answers = await Promise.all([put(announced, content), put(announced, content)]);
    expect(answers.map(({ body }) => body.upload?.sha256)).toEqual([sha256(content), sha256(content)]);
    const stored = await forkFor(app.database, desk.organizationId).count(StoredContent, {
      sha256: sha256(content),
    });
    expect(stored).toBe(1);
  });

  test('has a name that is safe on every system, and a type by its content', async () => {
    const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex');
    const announced = await announce(png.length, { name: '../../etc/con.txt\u202Efdp', contentType: 'x' });
    expect(announced.upload.name).toBe('_con.txt_fdp');
    await put(announced, Uint8Array.from(png));
    expect(await rowOf(announced)).toMatchObject({
      contentType: 'application/octet-stream',
      detectedContentType: 'image/png',
    });
  });
});

describe('refused is', () => {
  test('what is empty, or larger than what can be delivered', async () => {
    for (const size of [0, -1, LARGEST_FILE_BYTES + 1]) {
      expect((await announce(size)).code).toBe('INVALID_INPUT');
    }
    expect((await announce(LARGEST_FILE_BYTES)).code).toBeUndefined();
  });

  test('who sends no key, may not reply, or did not announce it', async () => {
    const announced = await announce(10);
    const viewer = await signIn(app.database, desk.organizationId, 'VIEWER');
    const colleague = await signIn(app.database, desk.organizationId, 'AGENT');
    const stranger = await app.newDesk('Others');
    expect(await put(announced, bytes(10), { key: null })).toMatchObject({ status: 401 });
    expect(await put(announced, bytes(10), { key: viewer.secret })).toMatchObject({
      status: 403,
      code: 'FORBIDDEN',
    });
    for (const key of [colleague.secret, stranger.apiKey]) {
      expect(await put(announced, bytes(10), { key })).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    }
    const unknown = { ...announced, uploadUrl: `${announced.uploadUrl}x` };
    expect(await put(unknown, bytes(10))).toMatchObject({ status: 404 });
    await expect(announce(10, { key: viewer.secret })).rejects.toThrow(/permission/i);
  });

  test('a page of another origin, but not one that is listed', async () => {
    const announced = await announce(10);
    const from = (origin: string) => put(announced, bytes(10), { headers: { origin } });
    expect(await from('https://evil.example')).toMatchObject({ status: 403, code: 'FOREIGN_ORIGIN' });
    expect((await rowOf(announced))?.storedContentId).toBeNull();
    expect((await from(LISTED)).status).toBe(200);
    const preflight = (origin: string) =>
      fetch(here(announced), {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'authorization',
        },
      });
    expect((await preflight(LISTED)).headers.get('access-control-allow-origin')).toBe(LISTED);
    expect((await preflight(LISTED)).headers.get('access-control-allow-methods')).toContain('PUT');
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  });

  test('one too many of a user, by number and by bytes', async () => {
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    const size = 150_000_000;
    for (let i = 0; i < 7; i += 1) expect((await announce(size, { key: secret })).code).toBeUndefined();
    expect((await announce(size, { key: secret })).code).toBe('TOO_MANY_UPLOADS');
    for (let i = 0; i < 93; i += 1) await announce(1, { key: secret });
    expect((await announce(1, { key: secret })).code).toBe('TOO_MANY_UPLOADS');
  });
});

test('what nobody uses is deleted after 24 hours, with its content', async () => {
  const content = bytes(3_000_000, 13);
  const announced = await announce(content.length);
  const kept = await announce(content.length - 1);
  await put(announced, content);
  await put(kept, content.slice(1));
  const em = forkFor(app.database, desk.organizationId);
  const row = await rowOf(announced);
  await em.nativeUpdate(
    Upload,
    { id: row?.id ?? '' },
    { expiresAt: new Date((row?.createdAt.getTime() ?? 0) - DAY) },
  );
  expect((await put(announced, content)).status).toBe(404);
  await enqueue(forkAcrossOrganizations(app.database), sweepUploadsJob, {});
  await eventually('the upload is deleted', async () => (await rowOf(announced)) === null);
  await enqueue(forkAcrossOrganizations(app.database), sweepContentsJob, {});
  const contentsOf = (sought: Uint8Array) =>
    forkFor(app.database, desk.organizationId).count(StoredContent, { sha256: sha256(sought) });
  await eventually('its content is deleted', async () => (await contentsOf(content)) === 0);
  expect(await contentsOf(content.slice(1))).toBe(1);
});
