import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { findPaths } from '../../src/domain/paths.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { rounds } from '../rounds.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { isValidPath } from './isValidPath.ts';

type PublishedRole = { roleId: string; scopes: string[]; expandedScopes: string[] };

/** One of so many expanded scopes of each role; in CI all of them. */
const STEP = rounds(25, 1);

testWithShared(
  'data/taskcluster-roles.json',
  'each role of a real deployment has a valid path to each of its published expanded scopes',
  () => {
    const text = readFileSync(sharedFile('data/taskcluster-roles.json'), 'utf8');
    const roles = JSON.parse(text) as PublishedRole[];
    const graph = new RoleGraph();
    for (const role of roles) graph.set(role);
    let pairs = 0;
    for (const { roleId, expandedScopes } of roles) {
      const held = [`assume:${roleId}`];
      for (const scope of expandedScopes.filter((_, i) => i % STEP === 0)) {
        const { paths, complete } = runToCompletion(
          graph.inSnapshot((snapshot) =>
            findPaths({ held, scope }, snapshot, { limit: 3, work: new WorkBudget() }),
          ),
        );
        expect([roleId, scope, paths.length > 0, complete]).toEqual([roleId, scope, true, true]);
        for (const path of paths)
          expect([path, isValidPath(path, { roles, held, target: scope })]).toEqual([path, true]);
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(1500);
  },
);
