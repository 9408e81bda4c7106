import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectContentType, isContentTypeMismatch, TNEF } from '../../src/ticketing/content-type.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const text = (content: string) => Buffer.from(content);

describe('what a file is, its content tells', () => {
  const cases: [what: string, content: Buffer, type: string | null][] = [
    ['PNG', PNG, 'image/png'],
    ['PDF', text('%PDF-1.7\n'), 'application/pdf'],
    ['a program of Windows', Buffer.concat([text('MZ'), Buffer.alloc(200)]), 'application/x-msdownload'],
    ['winmail.dat', Buffer.from([0x78, 0x9f, 0x3e, 0x22, 1, 0, 1, 6]), TNEF],
    ['HTML', text('<!DOCTYPE html><p>'), 'text/html'],
    [
      'HTML after a comment and white space',
      text('\r\n <!-- x > y -->\n<script>alert(1)</script>'),
      'text/html',
    ],
    ['HTML with a byte order mark', text('\uFEFF<html>'), 'text/html'],
    ['HTML in UTF-16', Buffer.from('\uFEFF<body onload=x>', 'utf16le'), 'text/html'],
    ['XHTML', text('<?xml version="1.0"?><html xmlns="x">'), 'text/html'],
    ['SVG', text('<svg onload=alert(1)>'), 'image/svg+xml'],
    [
      'SVG with everything before it',
      text('<?xml version="1.0"?><!-- a --><!DOCTYPE svg [<!ENTITY a "b">]><svg:svg />'),
      'image/svg+xml',
    ],
    ['plain text', text('Hello <b>you</b>'), null],
    ['nothing', Buffer.alloc(0), null],
    ['an address in angle brackets', text('<carol@example.com> wrote'), null],
    ['a comment without end', text(`<!--${'<'.repeat(50_000)}`), null],
  ];
  test.each(cases)('%s', async (_, content, type) => {
    expect(await detectContentType(content)).toBe(type);
  });

  test('no content makes it fail, or take long', async () => {
    const beginning = fc.constantFrom(
      ...cases.map(([, content]) => content),
      text('PK\x03\x04'),
      text('RIFF'),
    );
    await fc.assert(
      fc.asyncProperty(beginning, fc.uint8Array({ maxLength: 2_000 }), async (head, tail) => {
        const found = await detectContentType(Buffer.concat([head, tail]));
        expect(found === null || /^[a-z]+\/[\w.+-]+$/.test(found)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a file that is something else than it is said to be', () => {
  test.each([
    ['image/png', 'a.png', 'text/html', true],
    ['image/png', 'a.png', 'image/svg+xml', true],
    ['image/png', 'a.png', 'application/x-msdownload', true],
    ['image/png', 'a.png', 'image/jpeg', true],
    ['application/octet-stream', 'invoice.pdf', 'application/x-msdownload', true],
    ['application/pdf', 'invoice.pdf', 'text/html', true],
    ['text/plain', 'notes.txt', 'text/html', true],
    ['image/png', 'a.png', 'image/png', false],
    ['image/jpg', 'a.jpg', 'image/jpeg', false],
    ['text/html', 'a.html', 'text/html', false],
    ['application/octet-stream', 'setup.exe', 'application/x-msdownload', false],
    ['application/msword', 'old.doc', 'application/x-cfb', false],
    [
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      'a.docx',
      'application/zip',
      false,
    ],
    ['video/mp4', 'a.mp4', 'video/quicktime', false],
    ['text/plain', 'a.txt', null, false],
    ['application/octet-stream', 'unknown', 'image/png', false],
  ])('%s as %s with %s: %s', (declared, name, detected, expected) => {
    expect(isContentTypeMismatch(declared, name, detected)).toBe(expected);
  });
});
