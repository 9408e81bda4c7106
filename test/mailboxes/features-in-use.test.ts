import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

async function permissions(): Promise<string[]> {
  const { microsoft365Setup } = await stage.desk.request<{
    microsoft365Setup: { permissions: { name: string }[] };
  }>('{ microsoft365Setup { permissions { name } } }');
  return microsoft365Setup.permissions.map(({ name }) => name);
}

test('a shared mailbox that was removed needs no permission any more', async () => {
  const agent = await stage.newMailbox();
  const address = await stage.newMailbox({ fullAccess: [agent] });
  const { accountId } = await stage.connect(agent);
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: address });
  expect(mailbox?.kind).toBe('SHARED');
  expect(await permissions()).toContain('Mail.ReadWrite.Shared');
  await stage.run('removeMailbox', { mailboxId: mailbox?.id });
  expect(await permissions()).not.toContain('Mail.ReadWrite.Shared');
});
