import { afterAll, beforeAll, expect, test } from 'vitest';
import { deviations, readCsdl } from './csdl.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

const csdl = readCsdl();
let server: MailServer;
let address: string;
beforeAll(async () => {
  server = await startMailServer();
  address = await server.mailbox();
});
afterAll(() => server[Symbol.asyncDispose]());

test('every property and enum value of a message is in the metadata of Microsoft', async () => {
  for (const name of ['plain.eml', 'html-inline-image.eml', 'attachment.eml', 'forwarded-rfc822.eml']) {
    const { body } = await server.postEml(address, name);
    const whole = await server.graph('GET', `/users/${address}/messages/${body.id}?$expand=attachments`);
    expect(Object.keys(whole.body).length).toBeGreaterThan(25);
    expect(deviations(csdl, 'graph.message', whole.body)).toEqual([]);
    const selected = await server.graph(
      'GET',
      `/users/${address}/messages/${body.id}?$select=internetMessageHeaders,uniqueBody`,
    );
    expect(deviations(csdl, 'graph.message', selected.body)).toEqual([]);
    const attachments = await server.graph('GET', `/users/${address}/messages/${body.id}/attachments`);
    expect(deviations(csdl, 'Collection(graph.attachment)', attachments.body.value)).toEqual([]);
  }
});

test('every property of a folder is in the metadata of Microsoft', async () => {
  const { body } = await server.graph(
    'GET',
    `/users/${address}/mailFolders?includeHiddenFolders=true&$top=100`,
  );
  expect(body.value?.length).toBeGreaterThan(5);
  expect(deviations(csdl, 'Collection(graph.mailFolder)', body.value)).toEqual([]);
});

test('the check itself notices an unknown property and an unknown enum value', () => {
  expect(
    deviations(csdl, 'graph.message', { colour: 'red', importance: 'urgent', body: { contentType: 'rtf' } }),
  ).toEqual([
    'graph.message.colour is unknown',
    'graph.message.importance is urgent',
    'graph.message.body.contentType is rtf',
  ]);
});
