import { expect, test } from 'vitest';
import { isMeetingClass, meetingClassOf, readMeeting } from '../../src/microsoft365/mail-meeting.ts';

const utc = (dateTime: string) => ({ dateTime, timeZone: 'UTC' });
const REQUEST = {
  meetingMessageType: 'meetingRequest',
  startDateTime: utc('2026-11-23T09:00:00.0000000'),
  endDateTime: utc('2026-11-23T10:00:00.0000000'),
  isAllDay: false,
  location: { displayName: 'Room 12', locationType: 'default' },
};

test('a request tells when and where', () => {
  expect(readMeeting(REQUEST)).toEqual({
    method: 'REQUEST',
    isAllDay: false,
    startsAt: new Date('2026-11-23T09:00:00Z'),
    endsAt: new Date('2026-11-23T10:00:00Z'),
    startDay: null,
    location: 'Room 12',
  });
});

test.each([
  ['meetingRequest', 'REQUEST'],
  ['meetingCancelled', 'CANCEL'],
  ['meetingCanceled', 'CANCEL'],
  ['meetingAccepted', 'REPLY'],
  ['meetingTenativelyAccepted', 'REPLY'],
  ['meetingTentativelyAccepted', 'REPLY'],
  ['meetingDeclined', 'REPLY'],
  ['none', undefined],
  ['unknownFutureValue', undefined],
])('%s is %s', (meetingMessageType, method) => {
  expect(readMeeting({ ...REQUEST, meetingMessageType })?.method).toBe(method);
});

test.each([
  ['in UTC', '2026-11-23T00:00:00.0000000'],
  ['of an organiser in Berlin', '2026-11-22T23:00:00.0000000'],
  ['of an organiser in Los Angeles', '2026-11-23T08:00:00.0000000'],
  ['of an organiser in Tokyo', '2026-11-22T15:00:00.0000000'],
])('a whole day begins at a midnight %s, and is a day, no instant', (_where, dateTime) => {
  expect(readMeeting({ ...REQUEST, isAllDay: true, startDateTime: utc(dateTime) })).toMatchObject({
    startDay: '2026-11-23',
    startsAt: null,
    endsAt: null,
  });
});

test('times name their zone, by Windows as by IANA', () => {
  const startDateTime = { dateTime: '2026-07-06T09:00:00', timeZone: 'W. Europe Standard Time' };
  expect(readMeeting({ ...REQUEST, startDateTime })?.startsAt).toEqual(new Date('2026-07-06T07:00:00Z'));
});

test('what is odd about a meeting is missing, and takes nothing else away', () => {
  const year1 = utc('0001-01-01T00:00:00.0000000');
  const odd = [null, 7, [], {}, 'x', { dateTime: 7 }, { dateTime: 'soon', timeZone: 'UTC' }, year1];
  for (const value of odd) {
    expect(readMeeting({ ...REQUEST, startDateTime: value })).toMatchObject({
      startsAt: null,
      location: 'Room 12',
    });
    expect(readMeeting({ ...REQUEST, location: value, isAllDay: value })).toMatchObject({
      location: null,
      isAllDay: false,
    });
  }
  for (const value of [null, 7, 'x', []]) expect(readMeeting(value)).toBeNull();
});

test('the type tells the class, of meetings only', () => {
  expect(isMeetingClass(meetingClassOf('#microsoft.graph.eventMessageRequest') ?? '')).toBe(true);
  expect(isMeetingClass(meetingClassOf('#microsoft.graph.eventMessageResponse') ?? '')).toBe(true);
  expect(isMeetingClass(meetingClassOf('#microsoft.graph.eventMessage') ?? '')).toBe(true);
  expect(meetingClassOf('#microsoft.graph.message')).toBeNull();
  expect(meetingClassOf(undefined)).toBeNull();
  expect(isMeetingClass('IPM.Note')).toBe(false);
  expect(isMeetingClass(undefined)).toBe(false);
});
