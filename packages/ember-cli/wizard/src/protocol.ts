// What the wizard and Ember say to each other: lines of JSON over the pipes of `python -m ember.cli.bridge`.
//
//   → {"id": 1, "method": "hello", "params": {…}}
//   ← {"id": 1, "event": {…}}            any number, while it works
//   ← {"id": 1, "result": {…}}           or {"id": 1, "error": {"message": "…"}}
//
// A key travels one way only: into Ember.

export const PROTOCOL = 1;

/** A key that is there already (or `set: false`): its last letters, and where it stands. */
export type Known = { set: boolean; hint: string; source: string };

export type Provider = {
  name: string;
  label: string;
  installed: boolean;
  /** The command that installs it, where it is not. */
  install: string;
  needs_key: boolean;
  key: Known;
  /** Where one gets a key; "" if nowhere. */
  key_page: string;
  base_url: string;
  default_base_url: string;
};

export type Embedded = { model: string; installed: boolean; pulled: boolean };

export type Hello = {
  protocol: number;
  version: string;
  home: string;
  providers: Provider[];
  /** "" if there is none. */
  default_model: string;
  embedded: Embedded;
};

/**
 * "limited": the provider knows the key, and refuses to say more now. "missing": there is no key to ask with.
 * "unreachable": nobody answered. "unchecked": it cannot be asked.
 */
export type Outcome = "ok" | "refused" | "limited" | "missing" | "unreachable" | "failed" | "unchecked";

export type Verdict = { outcome: Outcome; message: string; base_url: string; default_base_url: string; models: string[] };

/** A base URL of null is the vendor's own. */
export type Commit = { credentials: Record<string, string>; base_urls: Record<string, string | null>; default_model: string | null };

export type Committed = { files: string[]; notes: string[] };

/** `summary`: model, tokens, cost and time, in words. */
export type Answer = { text: string; summary: string };

export type Methods = {
  hello: { params: { protocol: number }; result: Hello; event: never };
  validate: { params: { provider: string; key: string | null; base_url: string | null }; result: Verdict; event: never };
  pull: { params: { model: string }; result: { path: string }; event: { done: number; total: number } };
  commit: { params: Commit; result: Committed; event: never };
  answer: { params: { model: string }; result: Answer; event: { text: string } };
};
