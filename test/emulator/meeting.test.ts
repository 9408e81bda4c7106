import { afterAll, beforeAll, expect, test } from 'vitest';
import { deviations, readCsdl } from './csdl.ts';
import { type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

type Json = Record<string, unknown> & { value?: Record<string, unknown>[] };

const event = (...lines: string[]) =>
  ['BEGIN:VCALENDAR', 'VERSION:2.0', 'BEGIN:VEVENT', 'UID:1', ...lines, 'END:VEVENT', 'END:VCALENDAR'].join(
    '\r\n',
  );

/** Delivers a mail with a calendar part beside its text; gives the path of its message. */
async function receive(file: string, partHeaders = 'Content-Type: text/calendar; method=REQUEST', more = '') {
  const address = await server.mailbox();
  const source = [
    'From: Carol <carol@fabrikam.example>',
    `To: ${address}`,
    'Subject: Visit',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    ...['--b', 'Content-Type: text/plain', '', 'See you.'],
    ...['--b', partHeaders, '', file],
    more,
    '--b--',
    '',
  ].join('\r\n');
  const answer = await fetch(`${server.emulator.url}/_emulator/mail?to=${address}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: source,
  });
  const { id } = (await answer.json()) as { id: string };
  return { address, path: `/users/${address}/messages/${id}` };
}

const get = async (path: string) => (await server.graph<Json>('GET', path)).body;
const filesOf = async (path: string) => (await get(`${path}/attachments`)).value?.map(({ name }) => name);

test('a request becomes a message of its own type with properties in place of a file, in every listing', async () => {
  const file = event('DTSTART:20261123T090000Z', 'DURATION:PT1H30M', 'LOCATION:Room 12\\, left');
  const { address, path } = await receive(file);
  const json = await get(path);
  expect(json).toMatchObject({
    '@odata.type': '#microsoft.graph.eventMessageRequest',
    subject: 'Visit',
    hasAttachments: false,
    meetingMessageType: 'meetingRequest',
    isAllDay: false,
    startDateTime: { dateTime: '2026-11-23T09:00:00.0000000', timeZone: 'UTC' },
    endDateTime: { dateTime: '2026-11-23T10:30:00.0000000', timeZone: 'UTC' },
    location: { displayName: 'Room 12, left' },
  });
  expect(deviations(readCsdl(), 'graph.message', json)).toEqual([]);
  expect(await filesOf(path)).toEqual([]);
  const folder = `/users/${address}/mailFolders/inbox/messages`;
  for (const list of [`${folder}?$select=subject`, `${folder}/delta?$select=subject`]) {
    expect((await get(list)).value).toEqual([
      {
        '@odata.type': '#microsoft.graph.eventMessageRequest',
        '@odata.etag': expect.any(String),
        id: expect.any(String),
        subject: 'Visit',
      },
    ]);
  }
  const refused = await server.graph(`GET`, `${path}?$select=startDateTime`);
  expect(refused.status).toBe(400);
});

test.each([
  ['CANCEL', 'NEEDS-ACTION', 'eventMessage', 'meetingCancelled', 'Canceled'],
  ['REPLY', 'ACCEPTED', 'eventMessageResponse', 'meetingAccepted', 'Resp.Pos'],
  ['REPLY', 'DECLINED', 'eventMessageResponse', 'meetingDeclined', 'Resp.Neg'],
  ['COUNTER', 'TENTATIVE', 'eventMessageResponse', 'meetingTenativelyAccepted', 'Resp.Tent'],
])('%s of one who has %s is an %s', async (method, status, type, meetingMessageType, messageClass) => {
  const file = event(`ATTENDEE;PARTSTAT=${status}:mailto:a@b.example`, 'DTSTART;VALUE=DATE:20261123');
  const { path } = await receive(file, `Content-Type: text/calendar; method=${method}`);
  const expand = "$expand=singleValueExtendedProperties($filter=id eq 'String 0x001A')";
  expect(await get(`${path}?${expand}`)).toMatchObject({
    '@odata.type': `#microsoft.graph.${type}`,
    meetingMessageType,
    isAllDay: true,
    startDateTime: { dateTime: '2026-11-23T00:00:00.0000000' },
    endDateTime: { dateTime: '2026-11-24T00:00:00.0000000' },
    singleValueExtendedProperties: [{ id: 'String 0x1a', value: `IPM.Schedule.Meeting.${messageClass}` }],
  });
});

test('a calendar that is attached stays a file, and so does what is no meeting or cannot be read', async () => {
  const sound = event('DTSTART:20261123T090000Z');
  const attached =
    'Content-Type: text/calendar; method=REQUEST\r\nContent-Disposition: attachment; filename=a.ics';
  const zone = event('DTSTART;TZID=Fabrikam Campus Time:20261123T090000');
  for (const [file, headers] of [
    [sound, attached],
    [sound, 'Content-Type: text/calendar; method=PUBLISH; name=a.ics'],
    [zone, 'Content-Type: text/calendar; method=REQUEST; name=a.ics'],
    ['BEGIN:VCALENDAR\r\nEND:VCALENDAR', 'Content-Type: text/calendar; method=REQUEST; name=a.ics'],
  ] as const) {
    const { path } = await receive(file, headers);
    expect(await get(path)).not.toHaveProperty('meetingMessageType');
    expect(await filesOf(path)).toHaveLength(1);
  }
});

test('the file beside the part, which Google adds, is a file of the meeting', async () => {
  const file = event('DTSTART;TZID=Europe/Berlin:20260706T090000');
  const more = `--b\r\nContent-Type: application/ics; name=invite.ics\r\nContent-Disposition: attachment; filename=invite.ics\r\n\r\n${file}`;
  const { path } = await receive(file, undefined, more);
  expect(await get(path)).toMatchObject({
    '@odata.type': '#microsoft.graph.eventMessageRequest',
    startDateTime: { dateTime: '2026-07-06T07:00:00.0000000' },
  });
  expect(await filesOf(path)).toEqual(['invite.ics']);
});
