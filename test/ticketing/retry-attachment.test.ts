import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface File {
  id: string;
  name: string;
  state: string;
  sha256: string | null;
  problem: { code: string; remedy: string } | null;
}
interface Answer {
  __typename: string;
  attachment?: { id: string; state: string; problem: object | null };
  code?: string;
  remedy?: string;
}

const FILES = `{ tickets(first: 1) { edges { node { messages(first: 1) { edges { node { attachments {
  id name state sha256 problem { code remedy } } } } } } } } }`;

async function filesOf(desk: Desk): Promise<File[]> {
  const { tickets } = await desk.request<{
    tickets: { edges: { node: { messages: { edges: { node: { attachments: File[] } }[] } } }[] };
  }>(FILES);
  return tickets.edges[0]?.node.messages.edges[0]?.node.attachments ?? [];
}

const MUTATION = `mutation ($input: RetryAttachmentInput!) { retryAttachment(input: $input) { __typename
  ... on RetryAttachmentPayload { attachment { id state problem { code } } } ... on Error { code remedy } } }`;

const retry = async (desk: Pick<Desk, 'request'>, attachmentId: string | undefined) =>
  (await desk.request<{ retryAttachment: Answer }>(MUTATION, { input: { attachmentId } })).retryAttachment;

const bytes = (text: string) => Buffer.from(text).toString('base64');

/** A desk with a mail of two files and a link, stored. */
async function stage() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Files',
    attachments: [
      { name: 'a.txt', contentBytes: bytes('first') },
      { name: 'a.txt', contentBytes: bytes('second') },
      { name: 'link', contentBytes: '', kind: 'reference' },
    ],
  });
  await desk.sync(mailboxId);
  const stored = (count: number) =>
    eventually(`${count} are stored`, async () => {
      const files = await filesOf(desk);
      return files.filter(({ state }) => state === 'STORED').length === count && files;
    });
  /** As if the limit had been lower, or the storage away, when it came. */
  const fail = (id: string | undefined, state: 'TOO_LARGE' | 'FAILED', change = '') =>
    forkFor(app.database, desk.organizationId).execute(
      `update attachment set state = ?, stored_content_id = null, sha256 = null, problem = ?::jsonb ${change}
       where organization_id = ? and id = ?`,
      [
        state,
        JSON.stringify({
          code: 'ATTACHMENT_TOO_LARGE',
          message: 'm',
          remedy: 'r',
          since: '2026-11-21T10:00:00Z',
        }),
        desk.organizationId,
        decodeId('Attachment', id ?? ''),
      ],
    );
  const files = await stored(2);
  return { desk, mailboxId, files, stored, fail };
}

test('a file that was too large is fetched by the limits of now; those that are here stay as they are', async () => {
  const { desk, files, stored, fail } = await stage();
  const [first, second] = files;
  await fail(second?.id, 'TOO_LARGE');
  expect(await retry(desk, second?.id)).toMatchObject({
    attachment: { id: second?.id, state: 'PENDING', problem: null },
  });
  // By the same ids and contents: of two files of one name it was the right one.
  expect(await stored(2)).toEqual(files);
  expect(first?.sha256).not.toBe(second?.sha256);
});

test('asking twice, or for what is here, changes nothing', async () => {
  const { desk, files, stored, fail } = await stage();
  await fail(files[0]?.id, 'FAILED');
  const answers = await Promise.all([retry(desk, files[0]?.id), retry(desk, files[0]?.id)]);
  for (const { attachment } of answers) expect(attachment?.id).toBe(files[0]?.id);
  expect(await stored(2)).toEqual(files);
  expect(await retry(desk, files[0]?.id)).toMatchObject({ attachment: { state: 'STORED' } });
  expect(await filesOf(desk)).toEqual(files);
});

test('a file that somebody has taken out of the mail fails with the reason, and costs no other file', async () => {
  const { desk, files, fail } = await stage();
  await fail(files[0]?.id, 'FAILED', `, name = 'gone.txt'`);
  await retry(desk, files[0]?.id);
  const after = await eventually('it has failed', async () => {
    const found = await filesOf(desk);
    return found[0]?.state === 'FAILED' && found;
  });
  expect(after[0]).toMatchObject({ id: files[0]?.id, problem: { code: 'ITEM_NOT_FOUND' } });
  expect(after.slice(1)).toEqual(files.slice(1));
});

test('links, and the row that stands for files above the limit, are refused with what to do instead', async () => {
  const { desk, files } = await stage();
  expect(await retry(desk, files[2]?.id)).toMatchObject({
    code: 'ATTACHMENT_NOT_FAILED',
    remedy: expect.stringContaining('link'),
  });
  await forkFor(app.database, desk.organizationId).execute(
    `update attachment set state = 'FAILED', problem = '{"code":"TOO_MANY_ATTACHMENTS","message":"","remedy":"","since":"2026-11-21T10:00:00Z"}'
     where organization_id = ? and name = 'link'`,
    [desk.organizationId],
  );
  expect(await retry(desk, files[2]?.id)).toMatchObject({ code: 'ATTACHMENT_NOT_FAILED' });
});

test('nothing is asked of a mailbox that was removed', async () => {
  const { desk, mailboxId, files, fail } = await stage();
  await fail(files[0]?.id, 'FAILED');
  await desk.request('mutation ($id: ID!) { removeMailbox(input: { mailboxId: $id }) { __typename } }', {
    id: mailboxId,
  });
  expect(await retry(desk, files[0]?.id)).toMatchObject({ code: 'NOT_FOUND' });
  expect((await filesOf(desk))[0]).toMatchObject({ state: 'FAILED' });
});

test('a VIEWER may not, and files of another organization do not exist', async () => {
  const { desk, files, fail } = await stage();
  await fail(files[0]?.id, 'FAILED');
  const { secret } = await signIn(app.database, desk.organizationId, 'VIEWER');
  const answer = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    body: JSON.stringify({ query: MUTATION, variables: { input: { attachmentId: files[0]?.id } } }),
  });
  expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  expect(await retry(await app.newDesk(), files[0]?.id)).toMatchObject({ code: 'NOT_FOUND' });
  expect((await filesOf(desk))[0]).toMatchObject({ state: 'FAILED' });
});
