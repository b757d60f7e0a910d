// What the wizard and Ember say to each other: lines of JSON over the pipes of `python -m ember.cli.bridge`.
//
//   → {"id": 1, "method": "hello", "params": {…}}
//   ← {"id": 1, "event": {…}}            any number, while it works
//   ← {"id": 1, "result": {…}}           or {"id": 1, "error": {"message": "…"}}
//
// A key travels one way only: into Ember.

export const PROTOCOL = 1;

/** A key that is there already: its last letters, and where it was found. */
export type Known = { hint: string; source: string };

export type Provider = {
  name: string;
  label: string;
  /** Where one gets a key; "" if nowhere. */
  page: string;
  needs_key: boolean;
  base_url: string;
  key: Known | null;
};

export type Embedded = { model: string; label: string; available: boolean; present: boolean; bytes: number };

export type Hello = {
  protocol: number;
  version: string;
  home: string;
  providers: Provider[];
  default_model: string | null;
  embedded: Embedded;
};

/** "limited": the provider knows the key, and refuses to say more now. "unreachable": nobody knows. */
export type Outcome = "ok" | "refused" | "limited" | "unreachable";

export type Verdict = { outcome: Outcome; message: string; base_url: string; models: string[] };

export type Commit = { credentials: Record<string, string>; base_urls: Record<string, string | null>; default_model: string | null };

export type Committed = { files: string[]; notes: string[] };

export type Answer = { text: string; model: string; seconds: number; tokens: number | null; cost: string | null };

export type Methods = {
  hello: { params: { protocol: number }; result: Hello; event: never };
  validate: { params: { provider: string; key: string | null; base_url: string | null }; result: Verdict; event: never };
  pull: { params: { model: string }; result: { model: string }; event: { done: number; total: number } };
  commit: { params: Commit; result: Committed; event: never };
  answer: { params: { model: string; prompt: string }; result: Answer; event: { text: string } };
};
