/* `npm run errors` writes schema/errors.md; `npm run errors -- --check` only says whether it is current. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CATALOGUE_AREAS, type CatalogueRow, ERROR_CATALOGUE } from './error-catalogue.ts';

/** Where the printed catalogue lies. */
export const ERRORS_FILE = join(import.meta.dirname, '..', '..', 'schema', 'errors.md');

const HEAD = `# What can go wrong between Deskgraph and Microsoft 365

Every error and every \`problem\` carries a \`code\` for programs, a \`message\` and a \`remedy\` for people, and where Microsoft
said something its own code and the id that its support asks for. Codes never change their meaning. An answer may say more
than the cause and remedy here: which account, which mailbox, which command.

Of Microsoft's codes the most telling counts: a number or word before a mere HTTP status. Capitals in the codes of Graph do
not matter. This file is printed from the code by \`npm run errors\`; do not edit it.
`;

/** The catalogue as Markdown, as the code has it. */
export function printErrors(): string {
  const sections = Object.entries(CATALOGUE_AREAS).map(([area, title]) => {
    const rows = ERROR_CATALOGUE.filter((row) => row.area === area).sort((left, right) =>
      left.code.localeCompare(right.code, 'en'),
    );
    return `## ${title}\n\n${rows.map(section).join('\n')}`;
  });
  return `${HEAD}\n${sections.join('\n')}`;
}

function section({ code, cause, remedy, microsoftCodes }: CatalogueRow): string {
  const codes = microsoftCodes.map((microsoftCode) => `\`${microsoftCode}\``).join(', ');
  return [
    `### \`${code}\`\n`,
    `- **Cause**: ${cause}`,
    `- **What to do**: ${remedy}`,
    ...(codes === '' ? [] : [`- **Microsoft answers**: ${codes}`]),
    '',
  ].join('\n');
}

/** Whether the file says what the code says. A file that is missing does not. */
export function isCatalogueCurrent(): boolean {
  try {
    return readFileSync(ERRORS_FILE, 'utf8') === printErrors();
  } catch {
    return false;
  }
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(ERRORS_FILE), { recursive: true });
    writeFileSync(ERRORS_FILE, printErrors());
  } else if (!isCatalogueCurrent()) {
    process.stderr.write(
      'schema/errors.md differs from the code. Run "npm run errors", read the difference, commit it.\n',
    );
    process.exitCode = 1;
  }
}
