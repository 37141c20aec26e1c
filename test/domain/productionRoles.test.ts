import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';

const FILE = 'data/taskcluster-roles.json';

testWithShared(
  FILE,
  'every role of a production deployment expands to what its own service said, in that order',
  () => {
    const roles = JSON.parse(readFileSync(sharedFile(FILE), 'utf8')) as {
      roleId: string;
      scopes: string[];
      expandedScopes: string[];
    }[];
    const graph = new RoleGraph<(typeof roles)[number]>();
    graph.load(roles);
    expect(roles).toHaveLength(486);
    for (const { roleId, expandedScopes } of roles)
      expect({ roleId, scopes: graph.expandRole(roleId) }).toEqual({ roleId, scopes: expandedScopes });
  },
);
