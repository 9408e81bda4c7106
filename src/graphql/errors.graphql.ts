import { InvalidInputError, NotFoundError } from '../errors.ts';
import { errorType } from './builder.ts';

// The errors that mutations of every domain may list.
errorType(NotFoundError, 'An id that does not exist, or that belongs to another organization.');
errorType(InvalidInputError, 'A value that is not allowed; the message names the input field.');
