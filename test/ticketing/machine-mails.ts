import { readdirSync, readFileSync } from 'node:fs';
import type { MachineMail } from '../../src/ticketing/machine-mail.ts';

const FOLDER = new URL('../fixtures/machines/', import.meta.url);

/** The names of the collected mails of machines, and of people who look like them. */
export const MACHINE_MAILS = readdirSync(FOLDER).map((file) => file.replace(/\.eml$/, ''));

/** The source of one of them. */
export function machineMailSource(name: string): string {
  return readFileSync(new URL(`${name}.eml`, FOLDER), 'utf8').replaceAll(/\r?\n/g, '\r\n');
}

/** One of them as Microsoft's headers tell it. */
export function machineMail(name: string): MachineMail {
  const [block = ''] = machineMailSource(name).split('\r\n\r\n');
  const headers = block
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .map((line) => {
      const colon = line.indexOf(':');
      return { name: line.slice(0, colon), value: decoded(line.slice(colon + 1).trim()) };
    });
  const headerOf = (wanted: string) => headers.find(({ name }) => name.toLowerCase() === wanted)?.value ?? '';
  const sender = /[^\s<>()]+@[^\s<>()]+/.exec(headerOf('from'))?.[0]?.toLowerCase() ?? null;
  return { headers, senderAddress: sender, subject: headerOf('subject'), messageClass: null };
}

/** RFC 2047, as far as the collection uses it. */
function decoded(value: string): string {
  return value.replaceAll(/=\?utf-8\?Q\?([^?]*)\?=/gi, (_all, text: string) =>
    text
      .replaceAll('_', ' ')
      .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}
