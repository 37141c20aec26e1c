import type { Schema } from '../../schemas/v1/schemaBuilders.ts';

const READ_OR_WRITE = [
  'actions',
  'administration',
  'artifact_metadata',
  'attestations',
  'checks',
  'code_quality',
  'codespaces',
  'contents',
  'dependabot_secrets',
  'deployments',
  'discussions',
  'environments',
  'issues',
  'merge_queues',
  'metadata',
  'packages',
  'pages',
  'pull_requests',
  'repository_custom_properties',
  'repository_hooks',
  'secret_scanning_alerts',
  'secrets',
  'security_events',
  'single_file',
  'statuses',
  'vulnerability_alerts',
];

/** The permissions on repositories that a token may have, each with its level, as the Taskcluster API names them after GitHub. */
export const githubPermissions: Schema = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    ...Object.fromEntries(READ_OR_WRITE.map((name) => [name, level('read', 'write')])),
    repository_projects: level('read', 'write', 'admin'),
    workflows: level('write'),
  },
};

function level(...levels: string[]): Schema {
  return { type: 'string', enum: levels };
}
