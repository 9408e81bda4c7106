import { PARTS, playGroups } from './play-groups.ts';

playGroups(PARTS['people.test.ts']);
