import { expect, test } from 'vitest';
import { readInvitation } from '../../src/ticketing/invitation.ts';

const file = (event: string[], method = 'METHOD:REQUEST') =>
  ['BEGIN:VCALENDAR', method, 'VERSION:2.0', 'BEGIN:VEVENT', ...event, 'END:VEVENT', 'END:VCALENDAR'].join(
    '\r\n',
  );

test('summary, time, place and organiser of an invitation of Outlook', () => {
  const invitation = readInvitation(
    file([
      'ORGANIZER;CN="Müller, Carol":MAILTO:Carol@Fabrikam.example',
      'DTSTART;TZID=W. Europe Standard Time:20261121T090000',
      'DTEND;TZID=W. Europe Standard Time:20261121T100000',
      'SUMMARY;LANGUAGE=de-DE:Drucker\\, zweiter',
      ' Versuch',
      'LOCATION:Raum 1\\nEtage 2',
      'BEGIN:VALARM',
      'SUMMARY:not this one',
      'END:VALARM',
    ]),
  );
  expect(invitation).toEqual({
    method: 'REQUEST',
    summary: 'Drucker, zweiterVersuch',
    startsAt: new Date('2026-11-21T08:00:00Z'),
    endsAt: new Date('2026-11-21T09:00:00Z'),
    isAllDay: false,
    localStart: '2026-11-21T09:00:00',
    timeZone: 'W. Europe Standard Time',
    location: 'Raum 1 Etage 2',
    organizer: { name: 'Müller, Carol', emailAddress: 'carol@fabrikam.example' },
  });
});

test.each([
  ['UTC', 'DTSTART:20261121T090000Z', '2026-11-21T09:00:00Z'],
  ['an IANA zone in summer', 'DTSTART;TZID=America/New_York:20260701T090000', '2026-07-01T13:00:00Z'],
  ['right after a change of clocks', 'DTSTART;TZID=Europe/Berlin:20261025T030000', '2026-10-25T02:00:00Z'],
  ['a zone with half an hour', 'DTSTART;TZID=India Standard Time:20261121T090000', '2026-11-21T03:30:00Z'],
])('the time of %s', (_name, start, instant) => {
  expect(readInvitation(file([start]))?.startsAt).toEqual(new Date(instant));
});

test('whole days, floating times and unknown zones have no instant, and say what they know', () => {
  expect(readInvitation(file(['DTSTART;VALUE=DATE:20261121']))).toMatchObject({
    isAllDay: true,
    startsAt: null,
    localStart: '2026-11-21',
  });
  expect(readInvitation(file(['DTSTART;TZID=Mars/Base:20261121T090000']))).toMatchObject({
    startsAt: null,
    timeZone: 'Mars/Base',
    localStart: '2026-11-21T09:00:00',
  });
  expect(readInvitation(file(['DTSTART:20269921T990000Z']))).toMatchObject({ startsAt: null });
});

test('a cancellation says so, and what is no invitation is none', () => {
  expect(readInvitation(file(['SUMMARY:x'], 'METHOD:CANCEL'))).toMatchObject({
    method: 'CANCEL',
    summary: 'x',
  });
  for (const none of ['', 'BEGIN:VCALENDAR', '\u0000\u0001', 'BEGIN:VEVENT;'.repeat(10_000)]) {
    expect(readInvitation(none)).toBeNull();
  }
  expect(readInvitation('BEGIN:VEVENT')).toMatchObject({ summary: '', startsAt: null, organizer: null });
});
