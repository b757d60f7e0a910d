// What the user has decided so far, and which screen comes next. No terminal and no Ember in here.

import type { Commit, Hello, Provider, Verdict } from "./protocol.js";

export type Screen =
  | { at: "welcome" }
  | { at: "providers" }
  | { at: "credential"; provider: string }
  | { at: "embedded" }
  | { at: "model" }
  | { at: "review" }
  | { at: "done" };

/** A provider the user wants: key and base URL typed for it (null: as they are now), and what came of asking there. */
export type Credential = { key: string | null; base_url: string | null; verdict: Verdict };

/** Where the embedded model is asked for, as any other: `local/smollm2`. */
const LOCAL = "local";

/** What was said on the command line already. */
export type Wanted = { provider?: string | null; base_url?: string | null; default_model?: string | null; pull?: boolean };

export type Plan = {
  hello: Hello;
  wanted: Wanted;
  chosen: string[];
  credentials: Record<string, Credential>;
  pull: boolean;
  model: string | null;
  /** The screens on the way here, the present one last. */
  path: Screen[];
};

export const begin = (hello: Hello, wanted: Wanted = {}): Plan => ({
  hello,
  wanted,
  chosen: wanted.provider ? [wanted.provider] : hello.providers.filter((provider) => provider.installed && provider.key.set).map((provider) => provider.name),
  credentials: {},
  pull: wanted.pull ? !hello.embedded.pulled : hello.embedded.installed && !hello.embedded.pulled && hello.providers.every((provider) => !provider.key.set),
  model: wanted.default_model || hello.default_model || null,
  path: [{ at: "welcome" }],
});

export const screen = (plan: Plan): Screen => plan.path.at(-1)!;

/** Return the plan with `decided` in it, on the screen that comes after this one. */
export function forward(plan: Plan, decided: Partial<Plan> = {}): Plan {
  const made = { ...plan, ...decided };
  return { ...made, path: [...made.path, after(made)] };
}

/** Return the plan on the screen before this one. What was decided there is still filled in. */
export const back = (plan: Plan): Plan => (plan.path.length > 1 ? { ...plan, path: plan.path.slice(0, -1) } : plan);

function after(plan: Plan): Screen {
  const here = screen(plan);
  switch (here.at) {
    case "welcome":
      return { at: "providers" };
    case "providers":
    case "credential": {
      const place = here.at === "providers" ? 0 : plan.chosen.indexOf(here.provider) + 1;
      const next = plan.chosen[place];
      if (next !== undefined) return { at: "credential", provider: next };
      return plan.hello.embedded.installed ? { at: "embedded" } : { at: "model" };
    }
    case "embedded":
      return offered(plan).length > 0 ? { at: "model" } : { at: "review" };
    case "model":
      return { at: "review" };
    case "review":
    case "done":
      return { at: "done" };
  }
}

export function named(plan: Plan, name: string): Provider {
  const found = plan.hello.providers.find((provider) => provider.name === name);
  if (found === undefined) throw new Error(`Ember knows no provider ${name}.`);
  return found;
}

/** The models one can make the default, as `provider/model`: those that the chosen providers listed, and the embedded one. */
export function offered(plan: Plan): string[] {
  const { embedded } = plan.hello;
  const local = embedded.installed && (embedded.pulled || plan.pull) ? [`${LOCAL}/${embedded.model}`] : [];
  const wanted = plan.wanted.default_model ? [plan.wanted.default_model] : [];
  return [...new Set([...wanted, ...local, ...plan.chosen.flatMap((name) => plan.credentials[name]?.verdict.models ?? [])])];
}

/** What is to be written: each typed key with the base URL it was checked at, and a default that was changed. */
export function toCommit(plan: Plan): Commit {
  const credentials: Commit["credentials"] = {};
  const base_urls: Commit["base_urls"] = {};
  for (const name of plan.chosen) {
    const credential = plan.credentials[name];
    if (credential === undefined || (credential.key === null && credential.base_url === null)) continue;
    const { base_url, default_base_url } = credential.verdict;
    if (credential.key !== null) credentials[name] = credential.key;
    base_urls[name] = base_url === default_base_url ? null : base_url;
  }
  return { credentials, base_urls, default_model: plan.model === plan.hello.default_model ? null : plan.model };
}
