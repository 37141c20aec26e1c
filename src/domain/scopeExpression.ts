/**
 * Which scopes a request needs: one scope, all or any of several, one or the other by a flag, or one for each entry of a
 * list. `<name>` stands for a parameter's value. The form is that of Taskcluster's API references.
 */
export type ScopeExpression =
  | string
  | { AllOf: ScopeExpression[] }
  | { AnyOf: ScopeExpression[] }
  | { if: string; then: ScopeExpression; else?: ScopeExpression }
  | { for: string; in: string; each: string };
