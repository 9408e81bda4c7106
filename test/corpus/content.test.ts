import { PARTS, playGroups } from './play-groups.ts';

playGroups(PARTS['content.test.ts']);
